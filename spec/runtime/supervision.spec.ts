import { expect, it } from 'vitest';
import { Handoff, type HandoffEvent, type TreeNode } from '../../lib/index.ts';
import { dagOf, t } from '../support/handoff.ts';

const nodeOf = (handoff: Handoff, name: string): TreeNode => handoff.tree().children!.find((child) => child.id === 'nodes')!.children!.find((child) => child.id === name)!;

it('a thread that dies by itself is started again, and blames no function', async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
  const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
  const { stats } = await handoff.execute(dagOf({ id: 'x', code: t.leaveBomb }));
  await restarted;
  expect(stats.retries).toBe(0);
  expect(nodeOf(handoff, 'n').children).toMatchObject([{ id: 'worker-0', state: 'running', restarts: 1 }]);
  expect((await handoff.execute(dagOf({ id: 'y', code: t.one }))).results).toEqual({ y: 1 });
  await handoff.stop();
});

it('a node whose threads die again and again is started anew, and so is one that was added later', async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
  await handoff.registerNode('later', { cpu: 1, gpu: 1 });
  for (const node of ['n', 'later']) {
    const story: string[] = [];
    const listener = (event: HandoffEvent): void => void ('node' in event && event.node === node && !event.type.startsWith('function') && !event.type.startsWith('result') && story.push(event.type));
    handoff.on('event', listener);
    const escalated = new Promise((resolve) => handoff.once('supervisor:restarted', resolve));
    let over = false;
    void escalated.then(() => (over = true));
    while (!over) {
      const dead = new Promise((resolve) => handoff.once('worker:crashed', resolve));
      await handoff.execute(dagOf({ id: 'x', code: t.leaveBomb, node }));
      await dead;
    }
    handoff.off('event', listener);
    expect(story).toContain('node:down');
    expect(story).toContain('node:up');
    expect(await escalated).toMatchObject({ supervisor: 'nodes', child: node });
    expect(nodeOf(handoff, node).restarts).toBe(1);
  }
  expect((await handoff.execute(dagOf({ id: 'y', code: t.one, cost: { gpu: 1 } }))).allocations).toEqual({ y: 'later' });
  await handoff.stop();
});
