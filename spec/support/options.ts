/**
 * `npm run docs:options`: writes the option tables of the reference and the docstrings of the types of options, from
 * the schemas.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { defaultOf, type Entry, sentenceOf } from '../../lib/core/option-text.ts';
import { aboutOf, type Options } from '../../lib/core/options.ts';
import { costModelSchema } from '../../lib/engine/costs/cost-options.ts';
import { tcpSchema } from '../../lib/hosts/transport/tcp/options.ts';
import { logSchema } from '../../lib/log-events.ts';
import { mailboxSchema, spawnSchema, superviseSchema } from '../../lib/runtime/options/actor-options.ts';
import { resultSchema, stopSchema } from '../../lib/runtime/options/call-options.ts';
import { dashboardSchema } from '../../lib/runtime/options/dashboard-options.ts';
import { executeSchema } from '../../lib/runtime/options/execute-options.ts';
import { handoffSchema, nodeSchema } from '../../lib/runtime/options/handoff-options.ts';
import { natsSchema, postgresSchema, sqliteSchema } from '../../lib/runtime/options/journal-options.ts';
import { planSchema } from '../../lib/runtime/options/plan-options.ts';
import { natsTransportSchema, tcpTransportSchema } from '../../lib/runtime/options/transport-options.ts';
import { faultsSchema } from '../../lib/scheduling/simulation/faults.ts';
import { simulatedNodeSchema, simulateSchema } from '../../lib/scheduling/simulation/options.ts';
import { speculateSchema } from '../../lib/scheduling/scheduler/speculation/speculate-options.ts';
import { metricsSchema } from '../../lib/telemetry/metrics-options.ts';
import { tracesSchema } from '../../lib/telemetry/trace-options.ts';

const root = new URL('../../', import.meta.url);
const page = '.github/docs/reference/options.md';
const width = 120;

/** The tables of the reference, by the name in their markers. */
const tables: Readonly<Record<string, Options>> = {
  transport: tcpTransportSchema,
  nats: natsTransportSchema,
  dashboard: dashboardSchema,
  start: handoffSchema,
  node: nodeSchema,
  execute: executeSchema,
  plan: planSchema,
  spawn: spawnSchema,
};

const titles: Readonly<Record<string, string>> = {
  start: 'option of `Handoff.start`',
  nats: 'option of `transport`',
  node: 'field of a node',
};

/** The types of options, by file. */
const types: Readonly<Record<string, Readonly<Record<string, Options>>>> = {
  'lib/engine/costs/cost-options.ts': { CostModelOptions: costModelSchema },
  'lib/hosts/transport/tcp/options.ts': { TcpOptions: tcpSchema },
  'lib/log-events.ts': { LogOptions: logSchema },
  'lib/metrics.ts': { CollectOptions: metricsSchema },
  'lib/otel.ts': { TraceOptions: tracesSchema },
  'lib/runtime/options/actor-options.ts': {
    IntensityOptions: spawnSchema,
    MailboxOptions: mailboxSchema,
    SpawnOptions: spawnSchema,
    SuperviseOptions: superviseSchema,
  },
  'lib/runtime/options/call-options.ts': { StopOptions: stopSchema, ResultOptions: resultSchema },
  'lib/runtime/options/dashboard-options.ts': { DashboardOptions: dashboardSchema },
  'lib/runtime/options/execute-options.ts': { ExecuteOptions: executeSchema },
  'lib/runtime/options/handoff-options.ts': { NodeOptions: nodeSchema, HandoffOptions: handoffSchema },
  'lib/runtime/options/journal-options.ts': {
    SqliteJournalOptions: sqliteSchema,
    PostgresJournalOptions: postgresSchema,
    NatsJournalOptions: natsSchema,
  },
  'lib/runtime/options/plan-options.ts': { PlanOptions: planSchema },
  'lib/runtime/options/transport-options.ts': {
    CommonTransportOptions: tcpTransportSchema,
    TcpTransportOptions: tcpTransportSchema,
    NatsTransportOptions: natsTransportSchema,
  },
  'lib/scheduling/scheduler/speculation/speculate-options.ts': { SpeculateOptions: speculateSchema },
  'lib/scheduling/simulation/faults.ts': { Faults: faultsSchema },
  'lib/scheduling/simulation/options.ts': { SimulatedNode: simulatedNodeSchema, SimulateOptions: simulateSchema },
};

/** The files that are generated in part, and what each must be. */
export function generated(): Map<string, { readonly is: string; readonly mustBe: string }> {
  const all = new Map<string, { readonly is: string; readonly mustBe: string }>();
  const add = (file: string, make: (source: string) => string): void => {
    const is = readFileSync(new URL(file, root), 'utf8');
    all.set(file, { is, mustBe: make(is) });
  };
  add(page, withTables);
  for (const [file, schemas] of Object.entries(types)) add(file, (source) => withDocstrings(file, source, schemas));
  return all;
}

function withTables(source: string): string {
  return Object.entries(tables).reduce((text, [name, schema]) => {
    const [begin, end] = [`<!-- options:${name}:begin -->\n`, `<!-- options:${name}:end -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`${page}: the markers of options:${name} are missing.`);
    return text.slice(0, from + begin.length) + tableOf(name, schema) + text.slice(to);
  }, source);
}

export function tableOf(name: string, schema: Options): string {
  const entries = Object.entries(schema.entries);
  const abouts = entries.map(([, entry]) => aboutOf(entry));
  const columns = {
    [titles[name] ?? `option of \`${name}\``]: entries.map(([option]) => `\`${option}\``),
    default: entries.map(([, entry]) => (entry.type === 'optional' ? (defaultOf(entry) ?? 'none') : 'required')),
    environment: abouts.map(({ environment }) => codes(environment)),
    flag: abouts.map(({ flags }) => codes(flags)),
    '': entries.map(([, entry]) => sentenceOf(entry)),
  };
  const used = Object.entries(columns).filter(([, cells]) => cells.some((cell) => cell !== ''));
  const rows = entries.map((_, k) => row(used.map(([, cells]) => cells[k]!)));
  return [row(used.map(([title]) => title)), `|${'---|'.repeat(used.length)}`, ...rows, ''].join('\n');
}

function row(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === '' ? ' ' : ` ${cell.replaceAll('|', '\\|')} `)).join('|')}|`;
}

function codes(names: readonly string[] | undefined): string {
  return (names ?? []).map((name) => `\`${name}\``).join(', ');
}

export function withDocstrings(file: string, source: string, schemas: Readonly<Record<string, Options>>): string {
  const { program, comments } = parseSync(file, source);
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  const found = new Set<string>();
  for (const statement of program.body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declared?.type !== 'TSInterfaceDeclaration') continue;
    const schema = schemas[declared.id.name];
    if (schema === undefined) continue;
    found.add(declared.id.name);
    for (const member of declared.body.body) {
      if (member.type !== 'TSPropertySignature' || member.key.type !== 'Identifier') continue;
      const entry = schema.entries[member.key.name];
      if (entry === undefined) throw new Error(`${file}: the schema has no ${declared.id.name}.${member.key.name}.`);
      const comment = comments.find(({ end }) => source.slice(end, member.start).trim() === '' && end <= member.start);
      edits.push({ start: comment?.start ?? member.start, end: member.start, text: `${docstring(entry)}\n  ` });
    }
  }
  const missing = Object.keys(schemas).filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`${file}: there is no interface ${missing.join(', ')}.`);
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((text, { start, end, text: replacement }) => text.slice(0, start) + replacement + text.slice(end), source);
}

function docstring(entry: Entry): string {
  const { details, environment, otherwise } = aboutOf(entry);
  const standard = defaultOf(entry);
  const text = [
    sentenceOf(entry),
    details,
    standard !== undefined && `Default${otherwise === undefined ? '' : ':'} ${standard}.`,
    environment !== undefined && `Environment: ${codes(environment)}.`,
  ]
    .filter((part) => typeof part === 'string')
    .join(' ');
  if (text.length + '  /**  */'.length <= width) return `/** ${text} */`;
  return ['/**', ...wrapped(text).map((line) => `   * ${line}`), '   */'].join('\n');
}

/** Lines that fit behind `   * `. A code span stays on one line. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.match(/(?:`[^`]*`|\S)+/g) ?? []) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width - '   * '.length)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, { is, mustBe }] of generated()) {
    if (is === mustBe) continue;
    writeFileSync(new URL(file, root), mustBe);
    console.log(file);
  }
}
