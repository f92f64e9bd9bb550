import { expect, it, vi } from 'vitest';
import { SimpleResourceTracker } from '../../lib/scheduling/resources/resource-tracker.ts';
import { compile } from '../../lib/dag/compile/compile.ts';
import { fromSource, type HandoffEvent } from '../../lib/index.ts';
import { CodeVersions } from '../../lib/workers/code/versions.ts';
import { CodeRegistry } from '../../lib/workers/node/code-registry.ts';
import { ActiveRun } from '../../lib/engine/active-run.ts';
import { Actors } from '../../lib/runtime/actors/actors.ts';
import { Driver } from '../../lib/engine/driver.ts';
import { Modules } from '../../lib/engine/module-resolver.ts';
import { LocalNodes } from '../../lib/runtime/local-nodes.ts';
import { createRoot, RuntimeTree } from '../../lib/runtime/supervision-tree.ts';
import { LocationRegistry } from '../../lib/workers/store/location-registry.ts';
import { ResultStore } from '../../lib/workers/store/result-store.ts';
import { settingsOf } from '../support/run-settings.ts';
import { dagOf, t } from '../support/handoff.ts';

const capabilities = { cpu: 1 };
const settings = (name: string) => ({
  name,
  capabilities,
  threads: 1,
  speed: 1,
  concurrency: 64,
  output: 'inherit' as const,
  memoryBudget: undefined,
  importTimeout: Infinity,
});

/** What `Handoff.start` builds, with its parts in reach. */
async function start(...names: string[]) {
  const events: HandoffEvent[] = [];
  const publisher = { wants: () => true, publish: (event: HandoffEvent) => void events.push(event) };
  const codes = new CodeRegistry();
  const modules = new Modules(codes);
  const driver = new Driver(new SimpleResourceTracker(), {}, publisher);
  const nodes = new LocalNodes({ driver, codes, publisher, maxThreads: 2 });
  const actors = new Actors({
    publisher,
    nodes,
    output: 'inherit' as const,
    importTimeout: Infinity,
    versions: new CodeVersions(),
  });
  const tree = new RuntimeTree({
    root: createRoot(publisher),
    actors,
    registry: new LocationRegistry(),
    store: new ResultStore(),
    driver,
    nodes,
  });
  await tree.start(names.map(settings));
  const run = async (...functions: Parameters<typeof dagOf>): Promise<ActiveRun> => {
    const plan = compile(dagOf(...functions));
    const code = await modules.resolve(plan, () => nodes.any(), new Promise(() => {}));
    const active = driver.createRun(
      {
        plan,
        code,
        runId: plan.dagId,
        others: new Map(),
        onProgress: undefined,
        settings: settingsOf(plan, { codes: code.codes }),
      },
      () => tree.whyStopped({ runId: plan.dagId, dagId: plan.dagId }),
    );
    await tree.addRun(active);
    driver.submit(active);
    return active;
  };
  return { tree, nodes, events, run };
}

it('a node that ends is restarted, and reported', async () => {
  const { tree, nodes, events, run } = await start('a');
  const ended = nodes.get('a')!;
  await ended.stop();
  while (events.at(-1)?.type !== 'supervisor:restarted') await new Promise(setImmediate);
  expect(nodes.get('a')).not.toBe(ended);
  expect(events.map(({ type }) => type)).toEqual(['node:up', 'node:down', 'node:up', 'supervisor:restarted']);
  await (
    await run({ id: 'y', code: t.one })
  ).ended;
  await tree.stop();
});

it('nodes that end again and again are all restarted, their runs fail, and others run after them', async () => {
  const now = performance.now.bind(performance);
  // However slowly threads start, the restarts are soon after one another.
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() / 100);
  const { tree, nodes, events, run } = await start('a', 'b');
  const active = await run({ id: 'x', code: fromSource(() => new Promise<never>(() => {})), node: 'b' });
  active.ended.catch(() => {});
  const seen = (): number =>
    events.filter((event) => event.type === 'supervisor:restarted' && event.supervisor === 'root').length;
  const ups = (): number => events.filter((event) => event.type === 'node:up' && event.node === 'a').length;
  while (seen() === 0) {
    const before = ups();
    await nodes.get('a')!.stop();
    while (ups() === before && seen() === 0) await new Promise(setImmediate);
  }
  await expect(active.ended).rejects.toMatchObject({ code: 'NODE_DOWN' });
  const next = await run({ id: 'y', code: t.one, node: 'b' });
  await next.ended;
  expect(next.results.get(0)).toBe(1);
  await tree.stop();
  clock.mockRestore();
});
