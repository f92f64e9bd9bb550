/** Functions that must not be begun twice, on hosts that are lost. */
import { describe, expect, it } from 'vitest';
import { Handoff } from '../../../lib/index.ts';
import { dagOf, errorOf } from '../../support/handoff.ts';
import { next, record, startHere, startHost } from '../../support/hosts.ts';
import { f, Folder } from './folder.ts';

const length = 30_000;
const node = (name: string, more = {}) => ({ name, capabilities: { cpu: 1, ...more }, threads: 1 });

describe('a function that is not idempotent', () => {
  it('fails with NODE_DOWN when its host is killed while it runs, although another could run it', async () => {
    const host = await startHost({ nodes: [node('far')] });
    const other = await startHost({ nodes: [node('other')], join: [host.address] });
    const handoff = await startHere({ join: [host.address, other.address] });
    const folder = new Folder();
    const running = errorOf(
      handoff.execute(dagOf({ id: 'pay', code: f.passDoor, extraArgs: [folder.path, 'pay'], idempotent: false })),
    );
    await folder.arrived(1);
    const [, , where] = folder.lines[0]!;
    await (where === 'far' ? host : other).kill();
    const error = await running;
    expect(error).toMatchObject({ code: 'NODE_DOWN', functionId: 'pay', node: where });
    expect(error.message).toContain('may have taken effect');
    folder.open();
    expect(folder.calls('pay')).toBe(1);
  });

  it('sends its result here as soon as it exists, so that the loss of its host costs nothing', async () => {
    const host = await startHost({ nodes: [node('far', { gpu: 1 })] });
    const handoff = await startHere({ nodes: [node('near')], join: [host.address] });
    const folder = new Folder();
    const fetched = next(handoff, 'result:fetched');
    const events = record(handoff, 'result:lost', 'result:recomputing');
    const running = handoff.execute(
      dagOf(
        {
          id: 'made',
          code: f.notedRamp,
          extraArgs: [folder.path, 'made', length],
          cost: { gpu: 1 },
          idempotent: false,
        },
        { id: 'door', code: f.passDoor, extraArgs: [folder.path, 'door'], node: 'near' },
        { id: 'last', code: f.sumAfter, args: ['made', 'door'], node: 'near' },
      ),
      { collect: ['last'] },
    );
    await fetched;
    const down = next(handoff, 'node:down');
    await host.kill();
    await down;
    folder.open();
    expect((await running).results).toEqual({ last: (length * (length - 1)) / 2 });
    expect(folder.calls('made')).toBe(1);
    expect(events).toEqual([]);
  });

  it('fails when its node is removed while it runs', async () => {
    const handoff = await Handoff.start({ nodes: [node('a'), node('b')] });
    const folder = new Folder();
    const running = errorOf(
      handoff.execute(dagOf({ id: 'pay', code: f.passDoor, extraArgs: [folder.path, 'pay'], idempotent: false })),
    );
    await folder.arrived(1);
    await handoff.removeNode('a');
    expect(await running).toMatchObject({ code: 'NODE_DOWN', functionId: 'pay', node: 'a' });
    folder.open();
    await handoff.stop();
    expect(folder.calls('pay')).toBe(1);
  });
});

describe('a function of one orchestrator', () => {
  it('with maxRetries 0 survives the end of its thread because of another orchestrator’s function', async () => {
    const host = await startHost({ nodes: [{ ...node('far'), threads: 1 }] });
    const one = await startHere({ join: [host.address] });
    const two = await startHere({ join: [host.address] });
    const folder = new Folder();
    await one.execute(dagOf({ id: 'pid', code: f.pid })); // the timeout below covers no import
    const stuck = errorOf(
      one.execute(
        dagOf({ id: 'stuck', code: f.hang, extraArgs: [folder.path, 'stuck'], timeout: 4000, maxRetries: 0 }),
      ),
    );
    await folder.arrived(1);
    const others = two.execute(
      dagOf(
        ...Array.from({ length: 20 }, (_, k) => ({
          id: `f${k}`,
          code: f.noted,
          extraArgs: [folder.path, `f${k}`, k],
          maxRetries: 0,
          idempotent: k % 2 === 0,
        })),
      ),
    );
    expect((await stuck).code).toBe('FUNCTION_FAILED');
    expect(Object.values((await others).results)).toEqual(Array.from({ length: 20 }, (_, k) => k));
    expect(folder.names).toHaveLength(21);
  });
});
