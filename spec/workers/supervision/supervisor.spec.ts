import { describe, expect, it } from 'vitest';
import { type ChildSpec, type Exit, resident, type Running } from '../../../lib/workers/supervision/child.ts';
import { Supervisor } from '../../../lib/workers/supervision/supervisor.ts';

/** A child that writes down what happens to it, and ends when it is told. */
class Probe {
  readonly log: string[];
  readonly id: string;
  starts = 0;
  end: (exit: Exit) => void = () => {};
  #started = Promise.withResolvers<void>();

  constructor(id: string, log: string[]) {
    this.id = id;
    this.log = log;
  }

  spec(more: Partial<ChildSpec> = {}): ChildSpec {
    return { id: this.id, start: () => this.start(), ...more };
  }

  start(): Running {
    this.starts++;
    this.log.push(`start ${this.id}`);
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.end = resolve;
    this.#started.resolve();
    this.#started = Promise.withResolvers();
    return {
      exited: promise,
      stop: async () => {
        this.log.push(`stop ${this.id}`);
        resolve({ reason: 'shutdown' });
      },
    };
  }

  /** Resolves at the next start. */
  get nextStart(): Promise<void> {
    return this.#started.promise;
  }
}

const failed: Exit = { reason: 'error', error: new Error('x') };
const probes = (log: string[]): [Probe, Probe, Probe] => [
  new Probe('a', log),
  new Probe('b', log),
  new Probe('c', log),
];

describe('a supervisor', () => {
  it('starts children in order and stops them in reverse', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start(
      {},
      probes(log).map((probe) => probe.spec()),
    );
    await supervisor.stop();
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
    expect(await supervisor.exited).toEqual({ reason: 'shutdown' });
  });

  it('stops the started children when one cannot start', async () => {
    const log: string[] = [];
    const [a, b] = probes(log);
    const start = Supervisor.start({}, [
      a.spec(),
      {
        id: 'bad',
        start: () => {
          throw new Error('cannot');
        },
      },
      b.spec(),
    ]);
    await expect(start).rejects.toThrow('cannot');
    expect(log).toEqual(['start a', 'stop a']);
  });

  it.each([
    ['one-for-one', ['start b']],
    ['one-for-all', ['stop c', 'stop a', 'start a', 'start b', 'start c']],
    ['rest-for-one', ['stop c', 'start b', 'start c']],
  ] as const)('%s: %j', async (strategy, expected) => {
    const log: string[] = [];
    const all = probes(log);
    const { promise, resolve } = Promise.withResolvers<void>();
    const supervisor = await Supervisor.start(
      { strategy, onRestart: () => resolve() },
      all.map((probe) => probe.spec()),
    );
    log.length = 0;
    all[1].end(failed);
    await promise;
    expect(log).toEqual(expected);
    await supervisor.stop();
  });

  it('gives up when a child fails too often, and says why', async () => {
    const log: string[] = [];
    const probe = new Probe('a', log);
    const supervisor = await Supervisor.start({ maxRestarts: 2, maxSeconds: 60 }, [probe.spec()]);
    for (let i = 0; i < 2; i++) {
      const next = probe.nextStart;
      probe.end(failed);
      await next;
    }
    probe.end(failed);
    expect(await supervisor.exited).toMatchObject({ reason: 'error', error: { message: 'x' } });
    expect(probe.starts).toBe(3);
  });

  it('gives up when a child cannot be started again', async () => {
    let starts = 0;
    let end: (exit: Exit) => void = () => {};
    const supervisor = await Supervisor.start({ maxRestarts: 2 }, [
      {
        id: 'a',
        start: () => {
          if (++starts > 1) throw new Error('not again');
          const { promise, resolve } = Promise.withResolvers<Exit>();
          end = resolve;
          return { exited: promise, stop: async () => {} };
        },
      },
    ]);
    end(failed);
    expect(await supervisor.exited).toMatchObject({ reason: 'error', error: { message: 'not again' } });
    expect(starts).toBe(3);
  });

  it('tells its own supervisor when it gives up, which starts it again', async () => {
    const log: string[] = [];
    const probe = new Probe('a', log);
    const { promise, resolve } = Promise.withResolvers<string>();
    const outer = await Supervisor.start({ onRestart: (child) => resolve(child) }, [
      { id: 'inner', start: () => Supervisor.start({ maxRestarts: 0 }, [probe.spec()]) },
    ]);
    probe.end(failed);
    expect(await promise).toBe('inner');
    expect(probe.starts).toBe(2);
    await outer.stop();
  });

  it('forgets temporary children when they end', async () => {
    const log: string[] = [];
    const probe = new Probe('a', log);
    const supervisor = await Supervisor.start({}, [probe.spec({ restart: 'temporary' })]);
    expect(supervisor.inspect().children).toHaveLength(1);
    probe.end(failed);
    await null;
    await null;
    expect(supervisor.inspect().children).toHaveLength(0);
    await supervisor.startChild(probe.spec({ restart: 'temporary' }));
    await supervisor.stopChild('a');
    await supervisor.stopChild('a');
    expect(log).toEqual(['start a', 'start a', 'stop a']);
    await supervisor.stop();
  });

  it('does not wait forever for a child that does not stop', async () => {
    const supervisor = await Supervisor.start({}, [
      {
        id: 'a',
        shutdownTimeout: 5,
        start: () => ({ exited: new Promise<Exit>(() => {}), stop: () => new Promise<void>(() => {}) }),
      },
    ]);
    await supervisor.stop();
    expect((await supervisor.exited).reason).toBe('shutdown');
  });

  it('starts nothing while it stops, and stops a child that is starting', async () => {
    const log: string[] = [];
    const probe = new Probe('a', log);
    const supervisor = await Supervisor.start({});
    const gate = Promise.withResolvers<void>();
    const starting = supervisor.startChild({
      id: 'slow',
      start: async () => {
        await gate.promise;
        return probe.start();
      },
    });
    const stopping = supervisor.stop();
    gate.resolve();
    await expect(starting).rejects.toMatchObject({ code: 'STOPPED' });
    await stopping;
    expect(log).toEqual(['start a', 'stop a']);
    await expect(supervisor.startChild(probe.spec())).rejects.toMatchObject({ code: 'STOPPED' });
  });

  it('shows its children', async () => {
    const log: string[] = [];
    const [a] = probes(log);
    const supervisor = await Supervisor.start({ strategy: 'rest-for-one' }, [
      a.spec(),
      {
        id: 'state',
        start: () =>
          resident(
            () => {},
            () => ({ kind: 'worker', info: { size: 3 } }),
          ),
      },
    ]);
    expect(supervisor.inspect()).toEqual({
      kind: 'supervisor',
      strategy: 'rest-for-one',
      children: [
        { id: 'a', kind: 'worker', state: 'running', restarts: 0 },
        { id: 'state', kind: 'worker', state: 'running', restarts: 0, info: { size: 3 } },
      ],
    });
    await supervisor.stop();
  });
});
