/**
 * Runs for the specs of the dashboard: graphs and events made by hand, and a stream that is read as a browser reads it.
 */
import { request, type IncomingMessage } from 'node:http';
import type { Message } from '../../lib/dashboard/protocol.ts';
import type { Source } from '../../lib/dashboard/source.ts';
import type { EventOf, EventType, HandoffEvent } from '../../lib/events/events.ts';
import type { FeedEvent } from '../../lib/events/feed.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';

/** 0 → 1, 2 → 3, by names a, b, b, c. */
export const diamond: RunGraph = {
  runId: 'd',
  dagId: 'd',
  ids: ['top', 'left', 'right', 'end'],
  code: [0, 1, 1, 2],
  names: ['a', 'b', 'c'],
  deps: [[], [0], [0], [1, 2]],
  pins: [null, null, null, null],
  cost: [0, 1, 1, 0],
  costs: [null, { cpu: 1 }],
  duration: [null, null, null, null],
};

/** Functions `f0`, `f1` …, each after the one before it. */
export function chainGraph(dagId: string, size: number): RunGraph {
  const each = <Value>(of: (i: number) => Value): Value[] => Array.from({ length: size }, (_, i) => of(i));
  return {
    runId: dagId,
    dagId,
    ids: each((i) => `f${i}`),
    code: each(() => 0),
    names: ['work'],
    deps: each((i) => (i === 0 ? [] : [i - 1])),
    pins: each(() => null),
    cost: each(() => 0),
    costs: [null],
    duration: each(() => null),
  };
}

export function started(graph: RunGraph, at = 1000, host = 'local'): FeedEvent {
  return {
    host,
    graph,
    event: { type: 'run:started', runId: graph.runId, dagId: graph.dagId, functions: graph.ids.length, at },
  };
}

export function told(event: HandoffEvent, host = 'local'): FeedEvent {
  return { host, event };
}

/** Attempts of these functions that ended on a thread one after the other, a ms each. */
export function spans(
  dagId: string,
  functions: readonly number[],
  { thread = 0, at = 1000, failed = [] as readonly number[] } = {},
): EventOf<'attempts'> {
  return {
    type: 'attempts',
    runId: dagId,
    dagId,
    at,
    node: 'a',
    thread,
    failed,
    functionIds: functions.map((i) => `f${i}`),
    attempts: functions.map(() => 1),
    spans: functions.flatMap((_, k) => [at + k, at + k + 1]),
    bytes: functions.map(() => 0),
  };
}

/** A source whose events are told by hand. */
export class FakeSource implements Source {
  readonly listeners = new Set<(told: FeedEvent) => void>();
  readonly cancelled: string[] = [];
  /** Told to whoever comes. */
  underWay: readonly FeedEvent[] = [];
  looks = 0;
  /** Runs of a journal, or why it cannot be read. */
  journal: readonly (readonly FeedEvent[])[] | Error = [];
  #subscriptions = 0;
  readonly #waiting = new Set<() => void>();
  readonly feed = {
    dropped: 0,
    subscribe: (_types: readonly EventType[], listener: (told: FeedEvent) => void) => {
      for (const each of this.underWay) listener(each);
      this.listeners.add(listener);
      this.#subscriptions++;
      for (const look of this.#waiting) look();
      return () => void this.listeners.delete(listener);
    },
  };

  tell(each: FeedEvent): void {
    for (const listener of this.listeners) listener(each);
  }

  /** Resolves when somebody has subscribed for the so manyeth time. */
  subscribed(times: number): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => void (this.#subscriptions >= times && resolve());
      this.#waiting.add(look);
      look();
    });
  }

  async cancel(host: string, dagId: string): Promise<boolean> {
    this.cancelled.push(`${host} ${dagId}`);
    return true;
  }

  async explain(): Promise<never> {
    throw new Error('not known');
  }

  async functionDetail(): Promise<never> {
    throw new Error('not known');
  }

  async *recorded(isKnown: (runId: string) => boolean): AsyncGenerator<readonly FeedEvent[]> {
    if (this.journal instanceof Error) throw this.journal;
    for (const events of this.journal) if (!isKnown(events[0]!.graph!.runId)) yield events;
  }

  async trees(): Promise<Record<string, never>> {
    return {};
  }

  async nodes(): Promise<[]> {
    this.looks++;
    return [];
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A request as it is written, nothing of its path made tidy. */
export function ask(
  url: string,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer;
  } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on('error', reject).end(body);
  });
}

/** Listens to the server's events. */
export class Stream {
  readonly messages: Message[] = [];
  readonly status: Promise<number>;
  readonly closed: Promise<void>;
  readonly #looks = new Set<() => void>();
  readonly #request;
  response: IncomingMessage | undefined;

  /** @param isReading false: takes nothing in until told to */
  constructor(url: string, run?: string, headers: Readonly<Record<string, string>> = {}, isReading = true) {
    const { hostname, port } = new URL(url);
    this.#request = request({
      hostname,
      port,
      path: `/api/events${run === undefined ? '' : `?run=${run}`}`,
      headers,
      agent: false,
    }).on('error', () => {});
    this.status = new Promise((resolve) =>
      this.#request.once('response', (response) => {
        this.response = response;
        resolve(response.statusCode!);
        if (isReading) this.read();
      }),
    );
    this.closed = new Promise((resolve) => this.#request.once('close', resolve));
    this.#request.end();
  }

  read(): void {
    let text = '';
    this.response!.setEncoding('utf8')
      .on('error', () => {})
      .on('data', (chunk: string) => {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop()!;
        for (const part of parts)
          if (part.startsWith('data: ')) this.messages.push(JSON.parse(part.slice('data: '.length)) as Message);
        for (const look of this.#looks) look();
      });
  }

  of<Type extends Message['type']>(type: Type): Extract<Message, { type: Type }>[] {
    return this.messages.filter((message) => message.type === type) as Extract<Message, { type: Type }>[];
  }

  /** Resolves when what has come fulfils this. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
      look();
    });
  }

  close(): void {
    this.#request.destroy();
  }
}
