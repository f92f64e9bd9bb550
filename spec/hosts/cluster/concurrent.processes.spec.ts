/** Functions that share threads of another host while they wait. */
import { describe, expect, it } from 'vitest';
import { dagOf, errorOf } from '../../support/handoff.ts';
import { next, startHere, startHost } from '../../support/hosts.ts';
import { f, Folder } from './folder.ts';

const far = (concurrency?: number) => ({
  name: 'far',
  capabilities: { cpu: 8 },
  threads: 1,
  ...(concurrency !== undefined && { concurrency }),
});

const passing = (folder: Folder, names: readonly string[], more = {}) =>
  names.map((id) => ({ id, code: f.passDoor, extraArgs: [folder.path, id, id], concurrent: true, ...more }));

describe('concurrent functions on another host', () => {
  it('are in flight on one thread together, as many as its node says', async () => {
    const host = await startHost({ nodes: [far(3)] });
    const handoff = await startHere({ join: [host.address] });
    const folder = new Folder();
    const names = ['a', 'b', 'c', 'd', 'e'];
    const running = handoff.execute(dagOf(...passing(folder, names)));
    await folder.arrived(3);
    folder.open();
    expect((await running).results).toEqual(Object.fromEntries(names.map((name) => [name, name])));
    expect(folder.most).toBe(3);
  });

  it('run again without using an attempt when one beside them ignores its timeout', async () => {
    const host = await startHost({ nodes: [far()], options: { gracePeriod: 50 } });
    const handoff = await startHere({ join: [host.address], options: { gracePeriod: 50 } });
    const folder = new Folder();
    await handoff.execute(dagOf({ id: 'pid', code: f.pid, node: 'far' })); // the timeout below covers no import
    const restarted = next(handoff, 'function:failed');
    const running = errorOf(
      handoff.execute(
        dagOf(...passing(folder, ['a', 'b'], { maxRetries: 0 }), ...passing(folder, ['pay'], { idempotent: false }), {
          id: 'stubborn',
          code: f.ignoreSignal,
          extraArgs: [folder.path, 'stubborn', 4],
          concurrent: true,
          timeout: 3000,
          maxRetries: 0,
        }),
        { failurePolicy: 'continue' },
      ),
    );
    await folder.arrived(4);
    await restarted;
    await folder.arrived(6);
    folder.open();
    const error = await running;
    expect(error.results).toEqual({ a: 'a', b: 'b' });
    const reasons = Object.fromEntries(
      error.failures!.map(({ functionId, code, cause }) => [functionId, [code, (cause as any)?.code]]),
    );
    expect(reasons).toEqual({
      stubborn: ['FUNCTION_FAILED', 'FUNCTION_TIMEOUT'],
      pay: ['NODE_DOWN', undefined],
    });
    expect(folder.calls('a')).toBe(2);
    expect(folder.calls('pay')).toBe(1);
  });

  it('use no attempt when one beside them crashes', async () => {
    const host = await startHost({ nodes: [far()] });
    const handoff = await startHere({ join: [host.address] });
    const folder = new Folder();
    const running = errorOf(
      handoff.execute(
        dagOf(...passing(folder, ['a', 'b'], { maxRetries: 0 }), {
          id: 'bad',
          code: f.exitAfter,
          extraArgs: [folder.path, 'bad', 3],
          concurrent: true,
          maxRetries: 0,
        }),
        { failurePolicy: 'continue' },
      ),
    );
    await folder.arrived(5);
    folder.open();
    const error = await running;
    expect(error.results).toEqual({ a: 'a', b: 'b' });
    expect(error.failures!.map(({ functionId }) => functionId)).toEqual(['bad']);
  });

  it('of two orchestrators share a thread, and a crash costs only the function at fault', async () => {
    const host = await startHost({ nodes: [far()] });
    const handoff = await startHere({ join: [host.address] });
    const other = await startHost({ join: [host.address] });
    const folder = new Folder();
    const bad = errorOf(
      other.execute(
        dagOf({ id: 'bad', code: f.exitAfter, extraArgs: [folder.path, 'bad', 3], concurrent: true, maxRetries: 0 }),
      ),
    );
    const running = handoff.execute(dagOf(...passing(folder, ['a', 'b'])), { maxRetries: 0 });
    await folder.arrived(5);
    folder.open();
    expect((await running).results).toEqual({ a: 'a', b: 'b' });
    expect(await bad).toMatchObject({ code: 'FUNCTION_FAILED', functionId: 'bad' });
  });
});

it('a concurrent function that holds a thread of another host is reported here', async () => {
  const host = await startHost({ nodes: [far()] });
  const handoff = await startHere({ join: [host.address] });
  const folder = new Folder();
  const told = next(handoff, 'worker:blocked', ({ functionId }) => functionId !== undefined);
  const running = handoff.execute(
    dagOf(...passing(folder, ['a', 'b']), {
      id: 'busy',
      code: f.hold,
      extraArgs: [folder.path, 'busy', 400],
      concurrent: true,
      priority: -1,
    }),
  );
  expect(await told).toMatchObject({ node: 'far', thread: 0, functionId: 'busy' });
  folder.open();
  await running;
});
