/** A run as one HTML file: the page with the data of the run, to open or attach anywhere. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { FunctionDetail, NodeActivity } from '../events/activity.ts';
import { timestamp } from '../events/events.ts';
import type { FeedEvent } from '../events/feed.ts';
import { Outcome } from '../report/run-record.ts';
import { entry, hashOf, headMark, type Page, readPage, withImports } from './assets.ts';
import { History, historyEvents } from './history.ts';
import type { FunctionView, Message, Report } from './protocol.ts';
import { beginning, type RunHistory } from './run-history.ts';
import type { Source } from './source.ts';
import { packageVersion } from '../core/package-files.ts';
import { recordedView, toRunView } from './views.ts';

// Details take some hundred bytes per function. For larger runs the page uses the graph and the spans only.
const maxFunctions = 10_000;
// Attempts at about 40 bytes each. For longer runs the page shows how many came before.
const maxRows = 1_000_000;
// Details are requested one by one.
const maxDetails = 2000;

export interface ReportRecorder {
  /**
   * The page with the data of the run so far.
   *
   * @throws `Error` if the run has not started
   */
  html(): Promise<string>;
  /** Stops recording. */
  close(): void;
}

/**
 * Records one run from now on.
 *
 * @param runId of a run that starts on any host
 */
export function createReport(source: Source, runId: string): ReportRecorder {
  const history = new History(() => 'run', { runs: 1, rows: maxRows });
  const unsubscribe = source.feed.subscribe(historyEvents, (received) => {
    const { event } = received;
    if (!('runId' in event) || event.runId === runId) history.record(received);
  });
  return {
    close: unsubscribe,
    async html() {
      const run = [...history.runs].at(-1);
      if (run === undefined) throw new Error(`There is nothing to report: run ${runId} has not started.`);
      const [details, nodes, trees] = await Promise.all([
        detailsOf(run, source),
        source.nodes().catch(() => []),
        source.trees().catch(() => ({})),
      ]);
      return toHtml(readPage(), toReport(run, { now: timestamp(), details, nodes, trees }));
    },
  };
}

/**
 * A report of a run whose events are all there.
 *
 * @param events of one run, the first with its graph
 */
export function reportOf(events: Iterable<FeedEvent>): string {
  const history = new History(() => 'run', { runs: 1, rows: maxRows });
  for (const event of events) history.record(event);
  const [run] = history.runs;
  if (run === undefined) throw new Error('There is nothing to report: no event has the graph of a run.');
  return toHtml(readPage(), toReport(run, { now: timestamp(), details: new Map(), nodes: [], trees: {} }));
}

interface Around {
  /** ms since the epoch. */
  readonly now: number;
  readonly details: ReadonlyMap<number, FunctionDetail>;
  readonly nodes: readonly NodeActivity[];
  readonly trees: Readonly<Record<string, TreeNode>>;
}

/** The data of a report. */
export function toReport(run: RunHistory, { now, details, nodes, trees }: Around): Report {
  const spans = run.spansSince(beginning, Infinity);
  const marks = run.marksSince(beginning);
  const messages: (Message | undefined)[] = [
    { type: 'hello', version: packageVersion(), server: 'report', now, isReport: true },
    { type: 'runs', runs: [toRunView(run)], gone: [] },
    { type: 'nodes', at: now, nodes },
    { type: 'trees', trees },
    run.spared.since(0, run.key),
    spans,
    marks,
  ];
  const functions: Record<number, FunctionView> = {};
  for (const i of mostRelevant(run, maxFunctions)) functions[i] = recordedView(run, i, details.get(i));
  return {
    messages: messages.filter((message) => message !== undefined),
    graphs: { [run.key]: run.record.graph },
    functions: { [run.key]: functions },
  };
}

/** Failed functions first, then the longest ones. */
function mostRelevant({ record: { graph, outcome, begun, ended } }: RunHistory, max: number): number[] {
  const all = graph.ids.map((_, i) => i);
  if (all.length <= max) return all;
  const took = (i: number): number => (outcome[i] === Outcome.failed ? Infinity : ended[i]! - begun[i]! || 0);
  return all.sort((a, b) => took(b) - took(a) || a - b).slice(0, max);
}

async function detailsOf(run: RunHistory, source: Source): Promise<Map<number, FunctionDetail>> {
  const { graph } = run.record;
  const details = new Map<number, FunctionDetail>();
  await Promise.all(
    mostRelevant(run, maxDetails).map(async (i) => {
      // The report works without details.
      const detail = await source.functionDetail(run.host, graph.runId, graph.ids[i]!).catch(() => undefined);
      if (detail !== undefined) details.set(i, detail);
    }),
  );
  return details;
}

/** One self-contained file: an import map resolves modules to `data:` URLs. */
export function toHtml({ template, style, modules, vendor }: Page, report: Report): string {
  const nameOf = (path: string): string => `handoff/${path}`;
  const inline = (path: string, text: string): string =>
    dataUrl(
      withImports(text, (specifier) => (specifier.startsWith('.') ? nameOf(resolved(specifier, path)) : specifier)),
    );
  const imports = Object.fromEntries([
    ...modules.map(({ path, text }) => [nameOf(path), inline(path, text)] as const),
    ...[...vendor].map(([name, { path, text }]) => [name, inline(path, text)] as const),
  ]);
  const importMap = JSON.stringify({ imports });
  const start = `import ${JSON.stringify(nameOf(entry))};`;
  const policy = `default-src 'none'; script-src data: ${hashOf(importMap)} ${hashOf(start)}; style-src ${hashOf(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const head = [
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    `<style>${style}</style>`,
    `<script type="application/json" id="report-data">${toScript(report)}</script>`,
    `<script type="importmap">${importMap}</script>`,
    `<script type="module">${start}</script>`,
  ].join('\n');
  return template.replace(headMark, () => head);
}

/** JSON in which no text can close the script element. */
function toScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}

function resolved(specifier: string, from: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

function dataUrl(text: string): string {
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}
