/** `npm run bench`: the quick set; `-- --full`: all of it; `-- --json FILE`: the numbers as JSON too; `-- --only NAME`: one group; `-- --readme`: the table into the README. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { million } from './million.ts';
import { pieces } from './pieces.ts';
import { toMarkdown, toReport, type Row } from './support/report.ts';
import { throughput } from './throughput.ts';

const { values } = parseArgs({ options: { full: { type: 'boolean', default: false }, json: { type: 'string' }, only: { type: 'string' }, readme: { type: 'boolean', default: false } } });

const groups: Readonly<Record<string, () => Promise<Row[]>>> = {
  throughput: () => throughput({ rounds: values.full ? 15 : 7 }),
  pieces: () => pieces({ time: values.full ? 1000 : 300 }),
  growth: () => million({ largest: values.full ? 1_000_000 : 100_000 }),
};

const rows: Row[] = [];
for (const [name, measure] of Object.entries(groups)) {
  if (values.only !== undefined && values.only !== name) continue;
  process.stderr.write(`measuring ${name} …\n`);
  rows.push(...await measure());
}
const report = toReport(rows);
process.stdout.write(`${toMarkdown(report)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
if (values.readme) {
  const readme = new URL('../README.md', import.meta.url);
  const table = toMarkdown({ ...report, rows: report.rows.filter((row) => row.byHand !== undefined) });
  const [begin, end] = ['<!-- bench:begin -->', '<!-- bench:end -->'];
  const text = readFileSync(readme, 'utf8');
  writeFileSync(readme, `${text.slice(0, text.indexOf(begin) + begin.length)}\n${table}\n${text.slice(text.indexOf(end))}`);
}
