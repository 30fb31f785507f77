// A program such as models write: capful-compile runs it to see what a run touches (--train). What it
// finds around itself is make-believe: files are empty, and there is one tool, `lookup`.
import fs from 'fs';
import path from 'node:path';

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

const people = [
  { name: 'Ada', age: 36, tags: ['math', 'code'], address: { city: 'London' } },
  { name: 'Linus', age: 28, tags: [], address: null },
  { name: 'Grace', age: 45, tags: ['navy'] },
];

function summary(list) {
  const [first, ...rest] = list;
  const { name, age: years = 0, ...other } = first;
  const ages = list.map((p) => p.age).filter((n) => n > 30);
  const total = ages.reduce((sum, n) => sum + n, 0);
  return { name, years, other: Object.keys(other), rest: rest.length, total, mean: total / ages.length };
}

console.log('people', people, summary(people));
console.log('%s is %d years old', people[0].name, people[0].age);
console.error('warning:', new Map([['a', 1]]), new Set([1, 2]), [1.5, null, undefined, true], () => 1);

const byName = new Map(people.map((p) => [p.name, p]));
const unique = [...new Set(people.flatMap((p) => p.tags))].sort((a, b) => a.localeCompare(b));
const sorted = [...people].sort((a, b) => b.age - a.age).map(({ name }) => name).join(', ');
const text = JSON.stringify({ people, unique, when: new Date(0) }, null, 2);
const copy = JSON.parse(text);
const words = 'The quick brown fox, the lazy dog'.toLowerCase().match(/\b[a-z]+\b/g) ?? [];
const counts = {};
for (const word of words) counts[word] = (counts[word] || 0) + 1;
const top = Object.entries(counts).sort(([, a], [, b]) => b - a).slice(0, 3);
const dated = '2024-05-17'.replace(/(\d+)-(\d+)-(\d+)/, (_, y, m, d) => `${d}.${m}.${y}`).split('.');
const csv = 'a,b\n1,2\n3,4'.trim().split('\n').map((line) => line.split(',').map(Number));
const padded = String(Math.round(Math.random() * 100)).padStart(5, '0') + (12.3456).toFixed(2);

const parts = text.slice(0, 40).trim().split(/[\s,]+/).concat('x').reverse();
const found = /"age":\s*(?<age>\d+)/.exec(text)?.groups?.age;
const numbers = Array.from({ length: 20 }, (_, i) => i * i);
const picked = numbers.find((n) => n > 50) + numbers.findIndex((n) => n > 50) + numbers.indexOf(4);
const flags = [numbers.some((n) => n < 0), numbers.every(Number.isInteger), numbers.includes(9)];
numbers.forEach((n, i) => (numbers[i] = n % 7));
numbers.push(numbers.shift(), ...numbers.splice(2, 3));
const nested = structuredClone({ a: [1, { b: new Date(0) }] });
const merged = Object.assign({}, people[0], Object.fromEntries(Object.entries(counts)));
const groups = people.reduce((all, p) => ((all[p.age > 30] ??= []).push(p.name), all), {});
const limits = [Math.min(...numbers), Math.max(...numbers), parseInt('42px', 10), parseFloat('1.5')];
const shown = [new Date(0).toISOString(), encodeURIComponent('a b&c'), 'ab'.repeat(3), 'a-b'.replaceAll('-', '_')];
const checks = ['abc'.includes('b'), 'abc'.startsWith('a'), typeof found, Array.isArray(parts), 'a' in merged];
const bytes = Buffer.from('text', 'utf8').toString('base64') + new Uint8Array([1, 2, 3]).length;
delete merged.tags;
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
  console.log(byName.has('Ada'), byName.get('Linus')?.address?.city);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function load(id) {
  await pause(1);
  const answer = await tools.lookup({ id });
  return { ...answer, id };
}

const loaded = await Promise.all([1, 2, 3].map(load));
const direct = await lookup({ id: 4, name: 'x' });
const settled = await Promise.allSettled([Promise.resolve(1), Promise.reject(new Error('no'))]);
for await (const item of (async function* () { yield 1; })()) loaded.push(item);
function* squares(n) {
  for (let i = 0; i < n; i++) yield i * i;
}

fs.writeFileSync('/workspace/out.json', text);
const content = fs.readFileSync('/workspace/out.json', 'utf8');
const there = fs.existsSync(path.join('/workspace', 'missing.txt'));
fs.readdirSync('/workspace');

({
  bytes, flags, found, groups, limits, nested, parts, picked,
  copy, top, dated, csv, padded, sorted, unique, loaded, direct, there, content,
  settled: settled.map((s) => s.status), squares: Array.from(squares(4)), sum: Math.max(...csv[1]),
});
