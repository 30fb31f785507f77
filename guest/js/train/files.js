// Files, as a module imports them: all of them are empty here.
import fs from 'fs';
import path from 'node:path';

const text = JSON.stringify({ name: 'Ada', list: [1, 2, 3] }, null, 2);
fs.writeFileSync('/workspace/out.json', text);
const content = fs.readFileSync('/workspace/out.json', 'utf8');
const there = fs.existsSync(path.join('/workspace', 'missing.txt'));
fs.readdirSync('/workspace');

try {
  fs.readFileSync('/workspace/out.json', 'utf8').split('\n').map((line) => JSON.parse(line));
} catch (err) {
  console.error('cannot read it:', err.message);
}
({ content, there });
