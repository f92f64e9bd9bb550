/** Drawings of a DAG: Mermaid for Markdown, DOT for Graphviz, and SVG laid out by Graphviz. */
import { toDag } from './validation/accept.ts';
import { type Dag, partsOf } from './dag.ts';
import type { Entry } from './compile/entry.ts';
import { nameOf } from './code.ts';

export interface DrawOptions {
  /** Node name by function id, as `execute` or `plan` returns it. Functions are coloured by node. */
  readonly allocations?: Readonly<Record<string, string>> | undefined;
  /** Ids of functions that were skipped. They are drawn dashed. */
  readonly skipped?: readonly string[] | undefined;
  /** Adds a legend of the nodes' colours. Default false. */
  readonly legend?: boolean | undefined;
}

interface Vertex {
  readonly key: string;
  readonly entry: Entry;
  /** The lines of text in the box. */
  readonly lines: readonly string[];
  readonly colour: string | undefined;
  readonly isSkipped: boolean;
}

/** An edge. Dashed: its function can do without the result, or takes only the decision. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label: string | undefined;
  readonly isDashed: boolean;
}

// Light fills that stay readable in print and for colour-blind readers (Okabe and Ito 2008, lightened).
const colours = ['#cfe8fc', '#ffe3b8', '#c9efdf', '#f9d6e7', '#fdf6bd', '#d7d3f1', '#f7cdb6', '#e2e2e2'];

/**
 * Draws a DAG as a Mermaid flow chart. Also draws DAGs that are not valid.
 *
 * @param dag the DAG
 * @param options colours and legend
 * @returns Mermaid source
 * @throws `INVALID_FUNCTION` when `dag` is not a DAG
 */
export function toMermaid(dag: Dag, options: DrawOptions = {}): string {
  const own = toDag('toMermaid', dag);
  const vertices = verticesOf(own, options);
  const boxes = { regular: ['["', '"]'], inline: ['("', '")'], input: ['[/"', '"/]'] } as const;
  return [
    'flowchart TD',
    ...vertices.map(({ key, entry, lines }) => {
      const [open, close] = boxes[entry.traits.type];
      return `  ${key}${open}${lines.map(escapeMermaid).join('<br/>')}${close}`;
    }),
    ...edgesOf(own).map(({ from, to, label, isDashed }) => {
      const text = label === undefined ? '' : `|${label}|`;
      return `  ${from} ${isDashed ? '-.->' : '-->'}${text} ${to}`;
    }),
    ...vertices
      .filter(({ isSkipped }) => isSkipped)
      .map(({ key }) => `  style ${key} stroke-dasharray:4,fill:#fff,color:#777`),
    ...vertices
      .filter(({ colour }) => colour !== undefined)
      .map(({ key, colour }) => `  style ${key} fill:${colour},color:#222`),
    ...legendOf(options).flatMap(({ key, node, colour }) => [
      `  ${key}(["${escapeMermaid(node)}"])`,
      `  style ${key} fill:${colour},color:#222,stroke-dasharray:3`,
    ]),
    '',
  ].join('\n');
}

/**
 * Draws a DAG in Graphviz's DOT. Also draws DAGs that are not valid.
 *
 * @param dag the DAG
 * @param options colours and legend
 * @returns DOT source
 * @throws `INVALID_FUNCTION` when `dag` is not a DAG
 */
export function toDot(dag: Dag, options: DrawOptions = {}): string {
  const own = toDag('toDot', dag);
  const shapes = { regular: 'box', inline: 'oval', input: 'parallelogram' } as const;
  return [
    `digraph ${quoteDot(legible(own.id))} {`,
    '  node [shape=box, style="rounded,filled", fillcolor="#f4f4f4", color="#777777", fontname="Helvetica", fontsize=11];',
    '  edge [color="#777777", arrowsize=0.7];',
    ...verticesOf(own, options).map(({ key, entry, lines, colour, isSkipped }) => {
      const fill = colour === undefined ? '' : `, fillcolor=${quoteDot(colour)}`;
      const dashed = isSkipped ? ', style="rounded,dashed", fontcolor="#777777"' : '';
      return `  ${key} [label=${quoteDot(lines.join('\n'))}, shape=${shapes[entry.traits.type]}${fill}${dashed}];`;
    }),
    ...edgesOf(own).map(({ from, to, label, isDashed }) => {
      const text = label === undefined ? '' : `label=${quoteDot(label)}, fontsize=9`;
      const looks = [...(isDashed ? ['style=dashed'] : []), ...(text === '' ? [] : [text])].join(', ');
      return `  ${from} -> ${to}${looks === '' ? '' : ` [${looks}]`};`;
    }),
    ...legendOf(options).map(
      ({ key, node, colour }) =>
        `  ${key} [label=${quoteDot(node)}, shape=box, style="filled,dashed", fillcolor=${quoteDot(colour)}];`,
    ),
    '}',
    '',
  ].join('\n');
}

/**
 * Draws a DAG as SVG. Graphviz lays it out; it is WebAssembly and is loaded at the first call.
 *
 * @param dag the DAG
 * @param options colours and legend
 * @returns SVG source
 * @throws `INVALID_FUNCTION` when `dag` is not a DAG
 */
export async function toSvg(dag: Dag, options: DrawOptions = {}): Promise<string> {
  const { Graphviz } = await import('@hpcc-js/wasm-graphviz');
  const graphviz = await Graphviz.load();
  return graphviz.layout(toDot(dag, options), 'svg', 'dot');
}

function verticesOf(dag: Dag, { allocations = {}, skipped = [] }: DrawOptions): Vertex[] {
  const nodes = nodesOf(allocations);
  const isSkipped = new Set(skipped);
  return partsOf(dag).entries.map((entry, i) => {
    const node = Object.hasOwn(allocations, entry.id) ? allocations[entry.id] : undefined;
    return {
      key: `f${i}`,
      entry,
      lines: [entry.id, ...detailsOf(entry), ...(node === undefined ? [] : [`on ${node}`])].map(legible),
      colour: node === undefined ? undefined : colours[nodes.indexOf(node) % colours.length],
      isSkipped: isSkipped.has(entry.id),
    };
  });
}

/** The legend: one coloured box per node. */
function legendOf({
  allocations = {},
  legend = false,
}: DrawOptions): { readonly key: string; readonly node: string; readonly colour: string }[] {
  if (!legend) return [];
  return nodesOf(allocations).map((node, i) => ({
    key: `n${i}`,
    node: legible(`node ${node}`),
    colour: colours[i % colours.length]!,
  }));
}

function nodesOf(allocations: Readonly<Record<string, string>>): string[] {
  return [...new Set(Object.values(allocations))].sort();
}

function detailsOf({ id, code, traits }: Entry): string[] {
  const details: string[] = [];
  if (code !== null && nameOf(code) !== id) details.push(nameOf(code));
  if (traits.cost !== undefined)
    details.push(
      Object.entries(traits.cost)
        .map(([name, amount]) => `${name} ${amount}`)
        .join(', '),
    );
  if (typeof traits.node === 'string') details.push(`pinned to ${traits.node}`);
  else if (traits.node !== undefined) details.push(`with ${traits.node.collocatedWith}`);
  return details;
}

function edgesOf(dag: Dag): Edge[] {
  const { entries, index } = partsOf(dag);
  return entries.flatMap((entry, to) => {
    const { when } = entry.traits;
    const lenient = lenientOf(entry);
    return [...new Set(entry.args)]
      .filter((arg) => index.has(arg))
      .map((arg) => {
        const label = when?.id !== arg ? undefined : when.not === true ? 'when not' : 'when';
        const isDashed = label !== undefined || lenient.has(arg);
        return { from: `f${index.get(arg)!}`, to: `f${to}`, label, isDashed };
      });
  });
}

/** The ids that a function takes by `anyOf` or `optional`. */
function lenientOf({ traits: { written } }: Entry): ReadonlySet<string> {
  const ids = (written ?? []).flatMap((arg) => {
    if (typeof arg === 'string') return [];
    return 'anyOf' in arg ? arg.anyOf : 'optional' in arg ? [arg.optional] : [];
  });
  return new Set(ids);
}

/** Replaces control characters, which break SVG, lines of source, or a terminal. */
function legible(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what it replaces
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u{fffd}');
}

function escapeMermaid(text: string): string {
  // Mermaid reads HTML and its own #…; entities inside quotes.
  return text.replace(/[#"<>&]/g, (c) => `#${c.charCodeAt(0)};`);
}

function quoteDot(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}
