// Waiting: timers, tools, promises, generators. There is one tool, `lookup`.
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

({ loaded, direct, settled: settled.map((s) => s.status), squares: Array.from(squares(4)) });
