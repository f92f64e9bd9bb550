/** What `handoff run` knows of a run while it is under way. */
import { describe, expect, it } from 'vitest';
import { RunWatch } from '../../lib/cli/run-watch.ts';
import { timestamp } from '../../lib/events/events.ts';
import { ProgressMeter } from '../../lib/report/progress.ts';
import { dagOf, t, twoNodes, useHandoff } from '../support/handoff.ts';

describe('the remaining time of a run', () => {
  const handoff = useHandoff({ nodes: twoNodes }, { learns: true });

  it('is estimated from its start by learned durations', async () => {
    const dag = dagOf(
      { id: 'first', code: t.later, extraArgs: [20, 1] },
      { id: 'second', code: t.later, extraArgs: [20, 2] },
    );
    const leftAtFirst = async (runId: string): Promise<number | undefined> => {
      const watch = new RunWatch(handoff(), dag, runId);
      const left = new Promise<number | undefined>((resolve) =>
        handoff().once('function:started', () => resolve(new ProgressMeter(watch.record).state(timestamp()).remaining)),
      );
      await handoff().execute(dag, { runId });
      await watch.stop();
      return left;
    };
    expect(await leftAtFirst('one')).toBeUndefined();
    expect(await leftAtFirst('two')).toBeGreaterThan(1);
  });
});
