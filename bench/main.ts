/**
 * `npm run bench`: the quick set; `-- --full`: everything; `-- --only NAME`: one group; `-- --json FILE`: also write
 * the numbers as JSON; `-- --svg FILE`: the plot of Task Bench; `-- --docs`: update the table in the docs; `--
 * --check`: whether a ratio fell by more than a quarter since `-- --save`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ahead } from './ahead.ts';
import { busy } from './busy.ts';
import { cold } from './cold.ts';
import { dashboard } from './dashboard.ts';
import { durable } from './durable.ts';
import { granularity } from './granularity.ts';
import { guard } from './guard.ts';
import { hosts } from './hosts.ts';
import { latency } from './latency.ts';
import { learned } from './learned.ts';
import { growing } from './growing.ts';
import { million } from './million.ts';
import { page } from './page.ts';
import { pieces } from './pieces.ts';
import { nats } from './nats.ts';
import { recovery } from './recovery.ts';
import { requests } from './requests.ts';
import { results } from './results.ts';
import { speculation } from './speculation.ts';
import { fallen, ratiosOf, type Ratios } from './support/ratios.ts';
import { toMarkdown, toReport, type Report, type Row } from './support/report.ts';
import { taskBench } from './taskbench.ts';
import { encryption, tcp } from './tcp.ts';
import { peers, throughput } from './throughput.ts';
import { waiting } from './waiting.ts';

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
});
const { full } = values;

const groups: Readonly<Record<string, () => Row[] | Promise<Row[]>>> = {
  cold: () => cold({ rounds: full ? 9 : 5 }),
  granularity: () => granularity({ rounds: full ? 9 : 5, full }),
  waiting: () => waiting({ rounds: full ? 15 : 7 }),
  throughput: () => throughput({ rounds: full ? 25 : 11 }),
  peers: () => peers({ rounds: full ? 7 : 3 }),
  latency: () => latency({ rounds: full ? 15 : 7 }),
  busy: () => busy({ rounds: full ? 9 : 5 }),
  requests: () => requests({ rounds: full ? 5 : 3, seconds: full ? 60 : 15 }),
  results: () => results({ rounds: full ? 9 : 5, full }),
  taskbench: () => taskBench({ full, svg: values.svg }),
  ahead: () => ahead({ rounds: full ? 75 : 15 }),
  guard: () => guard({ rounds: full ? 9 : 3 }),
  pieces: () => pieces({ time: full ? 1000 : 300 }),
  tcp: () => tcp({ rounds: full ? 15 : 7 }),
  nats: () => nats({ rounds: full ? 15 : 5 }),
  encryption: () => encryption({ rounds: full ? 15 : 7 }),
  recovery: () => recovery({ rounds: full ? 9 : 3 }),
  durable: () => durable({ rounds: full ? 15 : 5 }),
  speculation: () => speculation({ rounds: full ? 15 : 5 }),
  dashboard: () => dashboard({ rounds: full ? 15 : 7, full }),
  page: () => page({ rounds: full ? 15 : 5 }),
  learned: () => learned({ graphs: full ? 10 : 3, rounds: full ? 3 : 1 }),
  hosts: () => hosts({ rounds: full ? 9 : 3, full }),
  growing: () => growing({ largest: full ? 1_000_000 : 100_000 }),
  growth: () => million({ largest: full ? 1_000_000 : 100_000 }),
};

if (values.only !== undefined && groups[values.only] === undefined) {
  process.stderr.write(`there is no group ${values.only}; there are ${Object.keys(groups).join(', ')}\n`);
  process.exit(2);
}

const rows: Row[] = [];
for (const [name, measure] of Object.entries(groups)) {
  if (values.only !== undefined && values.only !== name) continue;
  process.stderr.write(`measuring ${name} …\n`);
  rows.push(...(await measure()));
}
const report = toReport(rows);
process.stdout.write(`${toMarkdown(report)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
if (values.docs) intoDocs(report);

const committed = new URL('./ratios.json', import.meta.url);
if (values.save) {
  const before = existsSync(committed) ? (JSON.parse(readFileSync(committed, 'utf8')) as Ratios) : {};
  writeFileSync(committed, `${JSON.stringify({ ...before, ...ratiosOf(rows) }, null, 2)}\n`);
}
if (values.check) {
  const lines = fallen(JSON.parse(readFileSync(committed, 'utf8')) as Ratios, rows);
  process.stderr.write(lines.length === 0 ? 'no ratio fell by more than a quarter\n' : `${lines.join('\n')}\n`);
  process.exitCode = lines.length === 0 ? 0 : 1;
}

/** The rows that readers of the docs need first. */
function isForDocs({ group, name, what }: Row): boolean {
  if (group === 'cold' || group === 'granularity') return true;
  if (group === 'throughput') return !name.includes('main-thread') || name.includes('layered');
  if (group === 'latency') return name.includes('p50') || name.includes('start');
  return (
    (group === 'results' && /^(64|256) MiB in shared/.test(name)) ||
    (group === 'busy' && name.includes('no-ops')) ||
    (group === 'taskbench' && what === undefined && /(trivial|stencil_1d|tree)$/.test(name))
  );
}

/** Writes the table of each block whose rows were measured; the others keep what an earlier run has written. */
function intoDocs(measured: Report): void {
  const benchmarks = new URL('../.github/docs/benchmarks.md', import.meta.url);
  const blockOf = ({ group }: Row): string => (group === 'cold' || group === 'granularity' ? group : 'warm');
  const tables = Map.groupBy(measured.rows.filter(isForDocs), blockOf);
  let text = readFileSync(benchmarks, 'utf8');
  for (const [block, those] of tables) {
    const begin = `<!-- bench:${block}:begin -->`;
    const head = text.slice(0, text.indexOf(begin) + begin.length);
    const rest = text.slice(text.indexOf(`<!-- bench:${block}:end -->`));
    text = `${head}\n${toMarkdown({ ...measured, rows: those })}\n${rest}`;
  }
  writeFileSync(benchmarks, text);
}
