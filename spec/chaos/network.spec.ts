import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Dag, Handoff } from '../../lib/index.ts';
import { connect, cut, describeCuts, disconnect, heal, startThere, there } from '../support/cut-network.ts';
import { t } from '../support/handoff.ts';
import { next } from '../support/hosts.ts';

const port = 7300;
const secret = 'of this spec, and long enough';

const functions = 400;

function dag(): Dag {
  const made = new Dag();
  for (let i = 0; i < functions; i++) made.add({ id: `f${i}`, code: t.churn, extraArgs: [i, 5, i % 10 === 0] });
  return made;
}

const values = (results: Readonly<Record<string, unknown>>): unknown[] =>
  Array.from({ length: functions }, (_, i) => results[`f${i}`]).map((value) =>
    typeof value === 'number' ? value : (value as Float64Array)[0],
  );

describeCuts('a host behind a network of its own', () => {
  let child: ChildProcess | undefined;
  let handoff: Handoff;

  beforeAll(async () => {
    connect();
    child = await startThere(['node', '--listen', `${there}:${port}`, '--nodes', 'far:cpu=1', '--json'], {
      HANDOFF_SECRET: secret,
    });
    handoff = await Handoff.start({
      nodes: [{ name: 'near', capabilities: { cpu: 1 }, threads: 1 }],
      transport: { type: 'tcp', join: [`${there}:${port}`], secret, heartbeatInterval: 100, heartbeatTimeout: 1000 },
    });
  });

  afterAll(async () => {
    await handoff?.stop({ drain: false });
    child?.kill('SIGKILL');
    disconnect();
  });

  it('is given up when the network is cut in the middle of a run, and taken in again when that has healed', async () => {
    const { results: right } = await handoff.execute(dag());
    let finished = 0;
    const cutInTheMiddle = (): void => {
      if (++finished === Math.floor(functions / 3)) cut();
    };
    handoff.on('function:finished', cutInTheMiddle);
    const down = next(handoff, 'node:down');
    const { results, allocations } = await handoff.execute(dag(), { maxRetries: 0 });
    handoff.off('function:finished', cutInTheMiddle);
    expect((await down).node).toBe('far');
    expect(values(results)).toEqual(values(right));
    expect(new Set(Object.values(allocations))).toContain('near');

    const up = next(handoff, 'node:up');
    heal();
    expect((await up).node).toBe('far');
    const again = await handoff.execute(dag());
    expect(values(again.results)).toEqual(values(right));
    expect(new Set(Object.values(again.allocations))).toEqual(new Set(['near', 'far']));
  }, 60_000);
});
