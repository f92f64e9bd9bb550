/** A run that another orchestrator takes over at any moment goes on where it was, as it had grown. */
import { describe, expect, it } from 'vitest';
import { toRestore } from '../../../../lib/journal/restore.ts';
import { expansionOfOwner, spanOfOwner } from '../../../../lib/scheduling/scheduler/growth/growth.ts';
import { lineageOf, regrown } from '../../../../lib/scheduling/scheduler/growth/regrown.ts';
import type { Answer, RecordedGrowth } from '../../../../lib/scheduling/scheduler/growth/span.ts';
import { type Run, Status } from '../../../../lib/scheduling/scheduler/state.ts';
import { Random } from '../../../../lib/core/random.ts';
import {
  type LeftAt,
  play,
  randomScenario,
  type ScenarioSpec,
} from '../../../../lib/scheduling/simulation/scenario.ts';

/** The orchestrator dies. */
class Death extends Error {}

/** A scenario in which nothing else fails, so that every run finishes. */
function peaceful(seed: number): ScenarioSpec {
  const { durability: _, ...spec } = randomScenario(seed, 60);
  const runs = spec.runs.map(({ cancelled: _cancelled, functions, ...run }) => ({
    ...run,
    functions: functions.map(({ timeout: _timeout, ...each }) => each),
    abortAt: undefined,
  }));
  return { ...spec, runs, faults: {} };
}

/** What a journal would have of a run: what it grew by, in that order, and which functions are done. */
function leftAt(run: Run, answers: ReadonlyMap<number, Answer>, hasBytes: (i: number) => boolean): LeftAt {
  const blocks = [...(run.growth?.byOwner.values() ?? []), ...(run.growth?.expansions.values() ?? [])];
  blocks.sort((a, b) => a.base - b.base || a.count - b.count);
  const grown: RecordedGrowth[] = blocks.map(({ owner, count }) =>
    answers.has(owner) ? { owner, answer: answers.get(owner)! } : { owner, count },
  );
  const planned = run.growth?.size ?? run.plan.size;
  const kept = run.settings.kept === null ? null : run.settings.kept.slice(0, planned);
  const fresh = regrown(submittedPlans.get(run.plan.dagId)!, grown, kept);
  const isOwner = (i: number): boolean => spanOfOwner(run, i) !== undefined || expansionOfOwner(run, i) !== undefined;
  const { done, needed } = toRestore(
    lineageOf(fresh),
    (i) => run.status[i] === Status.done && !isOwner(i),
    hasBytes,
    fresh.settings.kept,
  );
  const isHere = new Set(needed);
  const restored = new Map(
    done.map((i) => [i, { node: '', isTruthy: run.conditions.get(i) !== false, isAbsent: !isHere.has(i) }]),
  );
  return { settings: { restored, grown }, needed };
}

const submittedPlans = new Map<string, Run['plan']>();

describe('a run that another orchestrator takes over', () => {
  it('reruns no restored function, and finishes', () => {
    let [takenOver, grew, skipped] = [0, 0, 0];
    for (let seed = 1; seed <= 60; seed++) {
      const spec = peaceful(seed);
      const random = new Random(seed);
      const runs = new Map<string, Run>();
      const over = new Set<string>();
      const answers = new Map<string, Map<number, Answer>>();
      let events = random.integer(8, 60);
      submittedPlans.clear();
      try {
        play(spec, {
          began: (run) => runs.set(run.id, run),
          handled: (event, commands) => {
            if (event.type === 'RunSubmitted') submittedPlans.set(event.run, event.plan);
            if (event.type === 'GraphGrown') {
              const known = answers.get(event.run) ?? new Map<number, Answer>();
              answers.set(event.run, known.set(event.index, event.answer));
            }
            for (const command of commands) if (command.type === 'FinishRun') over.add(command.run.id);
            if (--events === 0) throw new Death();
          },
        });
      } catch (error) {
        if (!(error instanceof Death)) throw error;
      }
      const left = new Map<string, LeftAt>();
      for (const [id, run] of runs) {
        if (over.has(id) || run.outcome !== undefined) continue;
        left.set(
          id,
          leftAt(run, answers.get(id) ?? new Map(), () => random.chance(0.9)),
        );
      }
      if (left.size === 0) continue;
      takenOver += left.size;
      for (const { settings } of left.values()) grew += settings.grown!.length;
      const again: string[] = [];
      const second = play(
        { ...spec, runs: spec.runs.filter(({ id }) => left.has(id)) },
        {
          began: (run, i) => {
            if (left.get(run.id)!.settings.restored!.has(i)) again.push(`${run.id}/${run.plan.entries[i]!.id}`);
          },
        },
        left,
      );
      expect(again, `seed ${seed}`).toEqual([]);
      for (const [id, { outcome, run }] of second.outcomes) {
        expect(outcome, `seed ${seed}, run ${id}`).toBeUndefined();
        for (const [i, { id: functionId }] of run.plan.entries.entries())
          expect([Status.done, Status.skipped], `seed ${seed}, ${functionId}`).toContain(run.status[i]);
        skipped += run.skipped;
      }
    }
    expect(takenOver).toBeGreaterThan(25);
    expect(grew).toBeGreaterThan(10);
    expect(skipped).toBeGreaterThan(10);
  });
});
