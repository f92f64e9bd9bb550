/** Durable runs over hosts. The orchestrator is this process, with node a; host B has node b. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Dag } from '../../../lib/index.ts';
import { useCluster } from '../../support/hosts.ts';
import { f, Folder } from './folder.ts';

const path = mkdtempSync(join(tmpdir(), 'handoff-journal-'));
const cluster = useCluster(
  {
    nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 1 }],
    options: { journal: { type: 'sqlite', path } },
  },
  { nodes: [{ name: 'b', capabilities: { cpu: 1 }, threads: 1 }] },
);
afterAll(() => rmSync(path, { recursive: true, force: true }));

it('a large result of another host is recorded when it arrives, and restored from the record', async () => {
  const folder = new Folder();
  const dag = (): Dag =>
    new Dag('far')
      .add({ id: 'x', code: f.notedRamp, extraArgs: [folder.path, 'x', 2 ** 18], node: 'b' })
      .add({ id: 'y', code: f.sums, args: ['x'], node: 'b' });
  const runId = `run of ${folder.path}`;
  const first = await cluster.handoff.execute(dag(), { runId });
  const again = await cluster.handoff.execute(dag(), { runId });
  expect(again.results).toEqual(first.results);
  expect(again.allocations).toEqual({ x: 'b', y: 'b' });
  expect(folder.lines, 'it ran once').toHaveLength(1);
});
