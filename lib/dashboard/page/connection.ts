/** The source of messages: the server of the page or, in a report, the page itself. */
import type { RunGraph } from '../../events/run-graph.ts';
import type { FunctionView, Message, Report } from '../protocol.ts';
import type { ConnectionState } from './store.ts';

export interface Source {
  /** Requests all data of this run from now on, and stops those of other runs. */
  watch(run: string | null): void;
  graph(run: string): Promise<RunGraph>;
  /** undefined if the run was dropped. */
  functionView(run: string, fn: number): Promise<FunctionView | undefined>;
  /** @returns why the run could not be cancelled; undefined on success */
  cancel(run: string): Promise<string | undefined>;
}

export interface SourceListener {
  message(message: Message): void;
  connection(state: ConnectionState): void;
}

/** ms. The browser reconnects after a broken connection, but not after a refusal. */
const retryAfterMs = 1000;

export function openServer({ message, connection }: SourceListener): Source {
  let stream: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const watch = (run: string | null): void => {
    clearTimeout(retry);
    stream?.close();
    const own = new EventSource(run === null ? 'api/events' : `api/events?run=${encodeURIComponent(run)}`);
    stream = own;
    // Ignore late messages of an older stream.
    own.addEventListener('open', () => stream === own && connection('live'));
    own.addEventListener(
      'message',
      ({ data }: MessageEvent<string>) => stream === own && message(JSON.parse(data) as Message),
    );
    own.addEventListener('error', () => {
      if (stream !== own) return;
      connection('lost');
      // The server refuses a run that it no longer keeps. Then request only the list of runs.
      if (own.readyState === EventSource.CLOSED) retry = setTimeout(() => watch(null), retryAfterMs);
    });
  };

  return {
    watch,
    graph: (run) => get<RunGraph>(`api/runs/${encodeURIComponent(run)}/graph`),
    functionView: (run, fn) => get<FunctionView>(`api/runs/${encodeURIComponent(run)}/functions/${fn}`),
    async cancel(run) {
      const answer = await fetch(`api/runs/${encodeURIComponent(run)}/cancel`, {
        method: 'POST',
        headers: { 'x-handoff': '1' },
      });
      if (answer.ok) return undefined;
      return answer.status === 409
        ? 'The run is over.'
        : `The server answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`;
    },
  };
}

export function openReport(report: Report, { message, connection }: SourceListener): Source {
  return {
    watch(run) {
      connection('report');
      for (const one of report.messages) {
        if ('run' in one ? one.run === run : run === null) message(one);
      }
    },
    async graph(run) {
      const graph = report.graphs[run];
      if (graph === undefined) throw new Error('The report has no graph of this run.');
      return graph;
    },
    functionView: async (run, fn) => report.functions[run]?.[fn],
    cancel: async () => 'This is a report: its run is over.',
  };
}

/** The report inside the page; undefined when the page comes from a server. */
export function embeddedReport(): Report | undefined {
  const text = document.querySelector('#report-data')?.textContent;
  return text === undefined || text === null || text.trim() === '' ? undefined : (JSON.parse(text) as Report);
}

async function get<Body>(address: string): Promise<Body> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return (await answer.json()) as Body;
}
