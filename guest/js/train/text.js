// Text: searched, split, formatted, parsed; errors, thrown and caught.
class Account {
  #balance = 0;
  constructor(owner) {
    this.owner = owner;
  }
  get balance() {
    return this.#balance;
  }
  deposit(amount) {
    if (!(amount > 0)) throw new RangeError(`cannot deposit ${amount}`);
    this.#balance += amount;
    return this;
  }
}

const words = 'The quick brown fox, the lazy dog'.toLowerCase().match(/\b[a-z]+\b/g) ?? [];
const counts = {};
for (const word of words) counts[word] = (counts[word] || 0) + 1;
const top = Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, 3);
const dated = '2024-05-17'.replace(/(\d+)-(\d+)-(\d+)/, (_, y, m, d) => `${d}.${m}.${y}`).split('.');
const csv = 'a,b\n1,2\n3,4'.trim().split('\n').map((line) => line.split(',').map(Number));
const padded = String(Math.round(Math.random() * 100)).padStart(5, '0') + (12.3456).toFixed(2);

const parts = words.join(" ").slice(0, 40).trim().split(/[\s,]+/).concat('x').reverse();
const found = /"age":\s*(?<age>\d+)/.exec('{"age": 36}')?.groups?.age;
const shown = [new Date(0).toISOString(), encodeURIComponent('a b&c'), 'ab'.repeat(3), 'a-b'.replaceAll('-', '_')];
const checks = ['abc'.includes('b'), 'abc'.startsWith('a'), typeof found, Array.isArray(parts)];
const bytes = Buffer.from('text', 'utf8').toString('base64') + new Uint8Array([1, 2, 3]).length;
console.log(shown, checks, process.argv.length, process.env.HOME, [...'ab'].entries().next());

try {
  JSON.parse('{"a": ');
} catch (e) {
  console.log(`${e.name}: ${e.message}`, e.stack.split('\n').length);
}
try {
  null.field;
} catch (e) {
  console.error(e);
}

const account = new Account('Ada').deposit(10);
try {
  account.deposit(-1);
} catch (err) {
  console.log(err.message, err instanceof RangeError, account.balance);
} finally {
  console.log(account.owner, account?.address?.city);
}

({ counts, top, dated, csv, padded, parts, found, bytes });
