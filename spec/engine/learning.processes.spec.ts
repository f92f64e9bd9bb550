/** That a Handoff learns of its functions, goes by it, and keeps it. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CostModelJson,
  Dag,
  fromSource,
  type FunctionSpec,
  Handoff,
  type HandoffOptions,
  tasks,
} from '../../lib/index.ts';
import { counter, dagOf, errorOf, t } from '../support/handoff.ts';
import { patient, startHost } from '../support/hosts.ts';

const oneThread: HandoffOptions = { nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 1 }] };

/**
 * Of the function that takes long, in ms. A thread of a busy machine may pause in a short one, but hardly for so long.
 */
const long = 600;

/** Two short functions, one after the other, then a long one: by the graph alone the long one comes last. */
const unequal = (more: Partial<FunctionSpec> = {}): Dag =>
  dagOf(
    { id: 'short', code: t.later, extraArgs: [1, 0] },
    { id: 'next', code: t.later, args: ['short'], argumentInclusion: 'list', extraArgs: [1] },
    { id: 'long', code: t.later, extraArgs: [long, 0], ...more },
  );

const planned = async (handoff: Handoff, dag: Dag): Promise<string[]> =>
  (await handoff.plan(dag)).schedule.map(({ functionId }) => functionId);

async function startedOf(handoff: Handoff, dag: Dag): Promise<string[]> {
  const started: string[] = [];
  const note = ({ functionId }: { functionId: string }): void => void started.push(functionId);
  handoff.on('function:started', note);
  await handoff.execute(dag);
  handoff.off('function:started', note);
  return started;
}

/** Of the functions of these specs. */
function learnedOf({ codes }: CostModelJson, name: string): CostModelJson['codes'][string] | undefined {
  return Object.entries(codes).find(([key]) => key.endsWith(`/fixtures/tasks.ts#${name}`))?.[1];
}

async function withHandoff<Result>(
  options: HandoffOptions,
  use: (handoff: Handoff) => Promise<Result>,
): Promise<Result> {
  const handoff = await Handoff.start({ ...oneThread, ...options });
  try {
    return await use(handoff);
  } finally {
    await handoff.stop();
  }
}

describe('a Handoff', () => {
  it('starts long functions first in the second run', () =>
    withHandoff({}, async (handoff) => {
      expect(await planned(handoff, unequal())).toEqual(['short', 'next', 'long']);
      expect(await startedOf(handoff, unequal())).toEqual(['short', 'next', 'long']);
      expect(await planned(handoff, unequal())).toEqual(['long', 'short', 'next']);
      expect(await startedOf(handoff, unequal())).toEqual(['long', 'short', 'next']);
    }));

  it('plans with the learned durations of each function', () =>
    withHandoff({}, async (handoff) => {
      await handoff.execute(unequal());
      const { schedule, makespan } = await handoff.plan(unequal(), { allocationStrategy: 'time-optimized' });
      const ms = Object.fromEntries(schedule.map(({ functionId, start, finish }) => [functionId, finish - start]));
      expect(ms['long']).toBeGreaterThanOrEqual(long - 1);
      expect(ms['long']).toBeGreaterThan(2 * ms['short']!);
      expect(makespan).toBeCloseTo(ms['long']! + ms['short']! + ms['next']!, 6);
    }));

  it('prefers declared durations', () =>
    withHandoff({}, async (handoff) => {
      await handoff.execute(unequal());
      const { start, finish } = (await handoff.plan(unequal({ duration: 0.5 }))).schedule.find(
        ({ functionId }) => functionId === 'long',
      )!;
      expect(finish - start).toBe(0.5);
    }));

  it('keeps the order that bounds memory', () =>
    withHandoff({ memoryBudget: 2 ** 30 }, async (handoff) => {
      await handoff.execute(unequal());
      expect(await planned(handoff, unequal())).toEqual(['short', 'next', 'long']);
    }));

  it('learns of long functions among short ones of the same code', () =>
    withHandoff({}, async (handoff) => {
      const dag = new Dag();
      for (let i = 0; i < 2000; i++) dag.add({ id: `f${i}`, code: t.spinFor, extraArgs: [i === 1500 ? 20 : 0] });
      await handoff.execute(dag); // it may be timed together with others
      const first = learnedOf(handoff.costModel(), 'spinFor')!;
      expect(first.functions).toHaveProperty('f1500');
      expect(Object.keys(first.functions!).length).toBeLessThan(500);
      await handoff.execute(dag); // those are now timed alone
      const { functions } = learnedOf(handoff.costModel(), 'spinFor')!;
      expect(functions!['f1500']!.ms!.mean).toBeGreaterThanOrEqual(20);
      expect(functions!['f1500']!.ms!.count).toBeGreaterThanOrEqual(1);
      const order = await planned(handoff, dag);
      const byLength = Object.entries(functions!).sort(([, a], [, b]) => (b.ms?.mean ?? 0) - (a.ms?.mean ?? 0));
      expect(order[0], 'the longest; a pause of the thread may make it another').toBe(byLength[0]![0]);
      expect(order.indexOf('f1500')).toBeLessThan(byLength.length);
    }));

  it('learns how large results are, and 0 for small ones', () =>
    withHandoff({}, async (handoff) => {
      await handoff.execute(
        dagOf(
          { id: 'large', code: t.float64, extraArgs: [20_000, 1] },
          { id: 'small', code: t.float64, extraArgs: [10, 1] },
          { id: 'none', code: t.one },
        ),
      );
      const costs = learnedOf(handoff.costModel(), 'float64')!;
      expect(costs.bytes).toEqual({ mean: 80_000, variance: expect.any(Number), count: 2 });
      expect(costs.functions!['large']!.bytes).toEqual({ mean: 160_000, variance: 0, count: 1 });
      expect(costs.functions!['small']?.bytes).toBeUndefined();
      expect(learnedOf(handoff.costModel(), 'one')!.bytes).toBeUndefined();
    }));

  it('learns nothing from functions that fail or time out', () =>
    withHandoff({}, async (handoff) => {
      const calls = counter();
      await handoff.execute(dagOf({ id: 'flaky', code: t.failTimes, extraArgs: [calls.memory, 1] }));
      await errorOf(handoff.execute(dagOf({ id: 'hangs', code: t.never, timeout: 20, maxRetries: 0 })));
      expect(learnedOf(handoff.costModel(), 'never')).toBeUndefined();
      expect(learnedOf(handoff.costModel(), 'failTimes')?.functions).toBeUndefined();
    }));

  it('exports learned costs for another Handoff', async () => {
    const json = await withHandoff({}, async (handoff) => {
      await handoff.execute(unequal());
      return handoff.costModel();
    });
    await withHandoff({ costModel: { data: JSON.parse(JSON.stringify(json)) as CostModelJson } }, async (handoff) => {
      expect(handoff.costModel()).toEqual(json);
      expect(await planned(handoff, unequal())).toEqual(['long', 'short', 'next']);
    });
  });

  it('exports no source text of inline functions', () =>
    withHandoff({}, async (handoff) => {
      await handoff.execute(dagOf({ id: 'x', code: fromSource(() => 'a secret'.length) }));
      const text = JSON.stringify(handoff.costModel());
      expect(text).toMatch(/"source:[0-9a-f]{32}"/);
      expect(text).not.toContain('secret');
    }));

  it('refuses malformed learned costs', async () => {
    expect(await errorOf(Handoff.start({ costModel: { data: { version: 3 } as never } }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'data',
      message:
        'Handoff.start: costModel: option data must be what costModel() returned, but it is no handoff-cost-model.',
    });
    for (const costModel of [7, 'costs.json', false])
      expect(await errorOf(Handoff.start({ costModel: costModel as never }))).toMatchObject({
        code: 'INVALID_OPTION',
        option: 'costModel',
      });
    expect(await errorOf(Handoff.start({ costModel: { learn: 'no' as never } }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'learn',
    });
    expect(await errorOf(Handoff.start({ learnedCosts: false } as never))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'learnedCosts',
    });
    expect(await errorOf(Handoff.start({ costModel: { file: '' } }))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'file',
    });
  });
});

describe('with other hosts', () => {
  const secret = 'a secret that is long enough to be one';
  it('learns from their nodes, scaled to a node of speed 1', async () => {
    const host = await startHost({ nodes: [{ name: 'far', capabilities: { cpu: 1 }, threads: 1, speed: 3 }], secret });
    const transport = { type: 'tcp', join: [host.address], secret, ...patient } as const;
    await withHandoff({ nodes: [], transport }, async (handoff) => {
      await handoff.execute(unequal());
      expect(learnedOf(handoff.costModel(), 'later')!.functions!['long']!.ms!.mean).toBeGreaterThanOrEqual(
        3 * (long - 1),
      );
    });
  });
});

describe('in a file', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const fresh = (name: string): string => {
    const path = join(folder, name);
    rmSync(path, { recursive: true, force: true }); // of an attempt before
    mkdirSync(path);
    return path;
  };

  it('is written at stop, and read by the next start', async () => {
    const file = join(fresh('kept'), 'costs.json');
    const json = await withHandoff({ costModel: { file } }, async (handoff) => {
      await handoff.execute(unequal());
      expect(() => statSync(file)).toThrow('ENOENT');
      return handoff.costModel();
    });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(json);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['costs.json']); // and no draft
    await withHandoff({ costModel: { file } }, async (handoff) =>
      expect(await planned(handoff, unequal())).toEqual(['long', 'short', 'next']),
    );
  });

  it('is used but not changed with learn: false, and may be in a read-only place', async () => {
    const path = fresh('read only');
    const file = join(path, 'costs.json');
    await withHandoff({ costModel: { file } }, (handoff) => handoff.execute(unequal()));
    const text = readFileSync(file, 'utf8');
    await withHandoff({ costModel: { file, learn: false } }, async (handoff) => {
      const before = handoff.costModel();
      await handoff.execute(unequal());
      expect(await planned(handoff, unequal())).toEqual(['long', 'short', 'next']);
      expect(handoff.costModel()).toEqual(before);
    });
    expect(readFileSync(file, 'utf8')).toBe(text);
    await withHandoff({ costModel: { file: join(path, 'no', 'costs.json'), learn: false } }, async (handoff) =>
      expect(Object.keys(handoff.costModel().codes)).toEqual([]),
    );
  });

  it('takes precedence over data, which fills the gaps', async () => {
    const file = join(fresh('both'), 'costs.json');
    const amount = (mean: number) => ({ ms: { mean, variance: 0, count: 9 } });
    const model = (codes: CostModelJson['codes']): CostModelJson => ({
      format: 'handoff-cost-model',
      version: 1,
      codes,
    });
    writeFileSync(file, JSON.stringify(model({ x: amount(1) })));
    await withHandoff({ costModel: { file, data: model({ x: amount(5), y: amount(7) }) } }, async (handoff) => {
      const { codes } = handoff.costModel();
      expect([codes['x']!.ms!.mean, codes['y']!.ms!.mean]).toEqual([1, 7]);
    });
  });

  it('is not changed when nothing was learned', async () => {
    const file = join(fresh('idle'), 'costs.json');
    const text = '{ "codes": {}, "format": "handoff-cost-model", "version": 1 }';
    writeFileSync(file, text);
    await withHandoff({ costModel: { file } }, (handoff) => handoff.plan(unequal()));
    expect(readFileSync(file, 'utf8')).toBe(text);
    const absent = join(folder, 'idle', 'none.json');
    await withHandoff({ costModel: { file: absent } }, (handoff) => handoff.plan(unequal()));
    expect(() => statSync(absent)).toThrow('ENOENT');
  });

  it('can move together with the modules', async () => {
    const here = fresh('here');
    writeFileSync(
      join(here, 'tasks.mjs'),
      'export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));\n',
    );
    const dagIn = (place: string): Dag => {
      const { wait } = tasks<{ wait(ms: number): Promise<void> }>(pathToFileURL(join(place, 'tasks.mjs')));
      return dagOf({ id: 'short', code: wait, extraArgs: [1] }, { id: 'long', code: wait, extraArgs: [long] });
    };
    await withHandoff({ costModel: { file: join(here, 'costs.json') } }, (handoff) => handoff.execute(dagIn(here)));
    expect(Object.keys((JSON.parse(readFileSync(join(here, 'costs.json'), 'utf8')) as CostModelJson).codes)).toEqual([
      './tasks.mjs#wait',
    ]);
    const there = join(folder, 'there');
    cpSync(here, there, { recursive: true });
    await withHandoff({ costModel: { file: join(there, 'costs.json') } }, async (handoff) =>
      expect(await planned(handoff, dagIn(there))).toEqual(['long', 'short']),
    );
  });

  it('stays a symbolic link', async () => {
    const path = fresh('linked');
    writeFileSync(join(path, 'real.json'), '{ "codes": {}, "format": "handoff-cost-model", "version": 1 }');
    symlinkSync(join(path, 'real.json'), join(path, 'costs.json'));
    await withHandoff({ costModel: { file: join(path, 'costs.json') } }, (handoff) => handoff.execute(unequal()));
    expect(readFileSync(join(path, 'real.json'), 'utf8')).toContain('tasks.ts#later');
    expect(readdirSync(path).sort()).toEqual(['costs.json', 'real.json']);
  });

  it.each([
    ['cut off', '{ "format": "handoff-cost-model", "ver', 'it is not JSON'],
    ['something else', '[1, 2]', 'it is no handoff-cost-model'],
    [
      'of a later version',
      '{ "format": "handoff-cost-model", "version": 9, "codes": {} }',
      'it is of version 9, and this is version 1',
    ],
    [
      'damaged',
      '{ "format": "handoff-cost-model", "version": 1, "codes": { "./a.ts#b": { "ms": { "mean": "3" } } } }',
      'of "./a.ts#b", ms.mean is not a finite number of at least 0',
    ],
  ])('is refused when it is %s, and left as it is', async (what, text, why) => {
    const file = join(fresh(what), 'costs.json');
    writeFileSync(file, text);
    const error = await errorOf(Handoff.start({ ...oneThread, costModel: { file } }));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option: 'file' });
    expect(error.message).toContain(`${file} is no cost model: ${why}`);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('is refused when it cannot be written, or is a folder or a device', async () => {
    expect(
      (await errorOf(Handoff.start({ ...oneThread, costModel: { file: join(folder, 'no', 'costs.json') } }))).message,
    ).toContain('costs.json cannot be written there: ENOENT');
    expect((await errorOf(Handoff.start({ ...oneThread, costModel: { file: folder } }))).message).toContain(
      'cannot be read: EISDIR',
    );
    // It can be read for ever.
    expect((await errorOf(Handoff.start({ ...oneThread, costModel: { file: '/dev/full' } }))).message).toContain(
      '/dev/full is a device or a pipe. Name a regular file.',
    );
  });

  it('is reported at stop when it cannot be written, after everything else has stopped', async () => {
    const path = fresh('gone');
    const handoff = await Handoff.start({ ...oneThread, costModel: { file: join(path, 'costs.json') } });
    await handoff.execute(unequal());
    rmSync(path, { recursive: true });
    expect(await errorOf(handoff.stop())).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'file',
      message: expect.stringContaining('costs.json cannot be written: ENOENT') as string,
    });
    expect((await errorOf(handoff.execute(unequal()))).code).toBe('STOPPED');
    expect(handoff.tree().children!.every(({ state }) => state === 'stopped')).toBe(true);
  });
});
