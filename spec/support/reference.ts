/**
 * `npm run docs:reference`: writes the parts of the reference that the code says: events, error codes, metrics and the
 * flags of the command.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { parseSync, type TSType } from 'oxc-parser';
import { Registry } from 'prom-client';
import { createProgram } from '../../lib/cli/program.ts';
import { errorCodes } from '../../lib/core/errors.ts';
import { metricsOf } from '../../lib/telemetry/metrics.ts';

const root = new URL('../../', import.meta.url);
const folder = '.github/docs/reference/';

/** Each page, and what stands between its markers. */
const parts: Readonly<Record<string, () => string | Promise<string>>> = {
  events: () => eventTable(readFileSync(new URL('lib/events/events.ts', root), 'utf8')),
  errors: () =>
    table(
      ['code', 'when'],
      Object.entries(errorCodes).map(([code, when]) => [`\`${code}\``, when]),
    ),
  metrics: metricsTable,
  cli: () => commandTables(createProgram(() => {})),
};

/** The files of the reference, what each is, and what it must be. */
export async function reference(): Promise<Map<string, { readonly is: string; readonly mustBe: string }>> {
  const all = new Map<string, { readonly is: string; readonly mustBe: string }>();
  for (const [name, make] of Object.entries(parts)) {
    const file = `${folder}${name}.md`;
    const is = readFileSync(new URL(file, root), 'utf8');
    const [begin, end] = [`<!-- generated:${name}:begin -->\n`, `<!-- generated:${name}:end -->`];
    const [from, to] = [is.indexOf(begin), is.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file}: the markers of generated:${name} are missing.`);
    all.set(file, { is, mustBe: is.slice(0, from + begin.length) + (await make()) + is.slice(to) });
  }
  return all;
}

/** One row per member of the union of events: its type, what it carries, and its docstring. */
export function eventTable(source: string): string {
  const { program, comments } = parseSync('events.ts', source);
  const bases = new Map<string, readonly string[]>();
  const rows: string[][] = [];
  const fieldsOf = (type: TSType): readonly string[] => {
    if (type.type === 'TSParenthesizedType') return fieldsOf(type.typeAnnotation);
    if (type.type === 'TSIntersectionType') return type.types.flatMap(fieldsOf);
    if (type.type === 'TSTypeReference' && type.typeName.type === 'Identifier')
      return bases.get(type.typeName.name) ?? [];
    if (type.type !== 'TSTypeLiteral') throw new Error(`events.ts: unknown part of an event: ${type.type}`);
    return namesOf(type.members);
  };
  for (const statement of program.body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declared?.type === 'TSInterfaceDeclaration')
      bases.set(declared.id.name, [
        ...declared.extends.flatMap(({ expression }) =>
          expression.type === 'Identifier' ? (bases.get(expression.name) ?? []) : [],
        ),
        ...namesOf(declared.body.body),
      ]);
    if (declared?.type !== 'TSTypeAliasDeclaration' || declared.id.name !== 'HandoffEvent') continue;
    if (declared.typeAnnotation.type !== 'TSUnionType') throw new Error('events.ts: HandoffEvent is no union.');
    for (const member of declared.typeAnnotation.types) {
      const name = /readonly type: '([\w:-]+)'/.exec(source.slice(member.start, member.end))![1]!;
      const comment = comments.find(
        ({ end }) => end <= member.start && /^[\s|(]*$/.test(source.slice(end, member.start)),
      );
      if (comment === undefined) throw new Error(`events.ts: ${name} has no docstring.`);
      const fields = fieldsOf(member).filter((field) => !['type', 'at'].includes(field));
      rows.push([`\`${name}\``, fields.map((field) => `\`${field}\``).join(', '), textOf(comment.value)]);
    }
  }
  return table(['event', 'carries', ''], rows);
}

function namesOf(
  members: readonly { readonly type: string; readonly key?: { readonly type: string; readonly name?: unknown } }[],
): string[] {
  return members.flatMap(({ key }) => (key?.type === 'Identifier' ? [String(key.name)] : []));
}

/** A docstring as one line. */
function textOf(comment: string): string {
  return comment
    .replaceAll(/^\s*\*+ ?/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

async function metricsTable(): Promise<string> {
  const registry = new Registry();
  metricsOf({ subscribe: () => () => {} }, { registry, resources: async () => ({}) });
  const labels = new Map(
    registry
      .getMetricsAsArray()
      .map((metric) => [metric.name, (metric as unknown as { readonly labelNames: readonly string[] }).labelNames]),
  );
  const rows = (await registry.getMetricsAsJSON()).map(({ name, type, help }) => [
    `\`${name}\``,
    String(type),
    (labels.get(name) ?? []).map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  rows.sort(([a], [b]) => (a! < b! ? -1 : 1));
  return table(['metric', 'type', 'labels', ''], rows);
}

/** A section per command. */
export function commandTables(program: Command): string {
  return leaves(program)
    .map(({ path, command }) => {
      const shown = command.registeredArguments.map((argument) => {
        const dots = argument.variadic ? '...' : '';
        return argument.required ? ` <${argument.name()}${dots}>` : ` [${argument.name()}${dots}]`;
      });
      const rows = command.options.map((option) => [
        `\`${option.flags.replaceAll('|', '\\|')}\``,
        option.description + choicesOf(option.argChoices) + defaultOf(option.defaultValue),
      ]);
      const text = command.description();
      return [
        `### ${path}`,
        '',
        `\`${path}${shown.join('')}\``,
        '',
        `${text[0]!.toUpperCase()}${text.slice(1)}.`,
        '',
        ...(rows.length === 0 ? [] : [table(['flag', ''], rows)]),
      ].join('\n');
    })
    .join('\n')
    .replace(/\n*$/, '\n');
}

function leaves(command: Command, before = ''): { readonly path: string; readonly command: Command }[] {
  const path = `${before}${command.name()}`;
  return command.commands.length === 0
    ? [{ path, command }]
    : command.commands.flatMap((each) => leaves(each, `${path} `));
}

function choicesOf(choices: readonly string[] | undefined): string {
  return choices === undefined ? '' : ` (${choices.map((choice) => `\`${choice}\``).join(', ')})`;
}

function defaultOf(value: unknown): string {
  return typeof value === 'string' ? `; default: \`${value}\`` : '';
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `|${cells.map((cell) => (cell === '' ? ' ' : ` ${cell.replaceAll(/(?<!\\)\|/g, '\\|')} `)).join('|')}|`;
  return [line(titles), `|${'---|'.repeat(titles.length)}`, ...rows.map(line), ''].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, { is, mustBe }] of await reference()) {
    if (is === mustBe) continue;
    writeFileSync(new URL(file, root), mustBe);
    console.log(file);
  }
}
