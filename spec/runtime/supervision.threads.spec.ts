import { expect, it } from 'vitest';
import { Handoff, type TreeNode } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, t } from '../support/handoff.ts';

const nodeOf = (handoff: Handoff, name: string): TreeNode =>
  handoff
    .tree()
    .children!.find((child) => child.id === 'nodes')!
    .children!.find((child) => child.id === name)!;

it('a thread that dies by itself restarts, and no function fails for it', async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
  const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
  const { stats } = await handoff.execute(dagOf({ id: 'x', code: t.leaveBomb }));
  await restarted;
  expect(stats.retries).toBe(0);
  expect(nodeOf(handoff, 'n').children).toMatchObject([{ id: 'worker-0', state: 'running', restarts: 1 }]);
  expect((await handoff.execute(dagOf({ id: 'y', code: t.one }))).results).toEqual({ y: 1 });
  await handoff.stop();
});

it('threads that user code ends again and again cost neither their node nor its neighbours', async () => {
  const handoff = await Handoff.start({
    nodes: [
      { name: 'n', capabilities: { cpu: 1 } },
      { name: 'other', capabilities: { cpu: 1 } },
    ],
  });
  const gate = new Gate();
  const neighbour = handoff.execute(dagOf({ id: 'x', code: t.waitAtGate, extraArgs: [gate.memory], node: 'other' }));
  await gate.arrived(1);
  for (let i = 0; i < 20; i++) {
    const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
    await handoff.execute(dagOf({ id: 'x', code: t.leaveBomb, node: 'n' }));
    await restarted;
  }
  gate.release();
  await neighbour;
  expect(nodeOf(handoff, 'n')).toMatchObject({ state: 'running', restarts: 0 });
  expect(nodeOf(handoff, 'other')).toMatchObject({ state: 'running', restarts: 0 });
  await handoff.stop();
});
