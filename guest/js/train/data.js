// Records: taken apart, put together, grouped, sorted, shown, turned into JSON and back.
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
const numbers = Array.from({ length: 20 }, (_, i) => i * i);
const picked = numbers.find((n) => n > 50) + numbers.findIndex((n) => n > 50) + numbers.indexOf(4);
const flags = [numbers.some((n) => n < 0), numbers.every(Number.isInteger), numbers.includes(9)];
numbers.forEach((n, i) => (numbers[i] = n % 7));
numbers.push(numbers.shift(), ...numbers.splice(2, 3));
const nested = structuredClone({ a: [1, { b: new Date(0) }] });
const merged = Object.assign({}, people[0], Object.fromEntries(byName.entries()));
const groups = people.reduce((all, p) => ((all[p.age > 30] ??= []).push(p.name), all), {});
const limits = [Math.min(...numbers), Math.max(...numbers), parseInt('42px', 10), parseFloat('1.5')];
delete merged.tags;

({ sorted, unique, copy, flags, picked, groups, limits, nested });
