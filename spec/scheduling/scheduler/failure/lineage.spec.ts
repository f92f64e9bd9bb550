/** Results that are lost again and again: which function is charged, and when it is enough. */
import { expect, it } from 'vitest';
import { compile } from '../../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../../lib/index.ts';
import { simulate } from '../../../../lib/simulate.ts';
import { SimpleResourceTracker } from '../../../../lib/scheduling/resources/resource-tracker.ts';
import type { Command } from '../../../../lib/scheduling/scheduler/commands.ts';
import { createEstimate } from '../../../../lib/scheduling/scheduler/dispatch/estimate.ts';
import type { Event, RunSettings } from '../../../../lib/scheduling/scheduler/events.ts';
import { handle } from '../../../../lib/scheduling/scheduler/machine.ts';
import { type Batch, createState } from '../../../../lib/scheduling/scheduler/state.ts';
import { validate } from '../../../../lib/scheduling/scheduler/validate.ts';
import { settingsOf } from '../../../support/run-settings.ts';
import { thrownBy } from '../../../support/handoff.ts';

const code = { module: 'file:///tasks.js', export: 'work' };
const width = 20;

/** `root` is read by all of b0 … b19, and dropped then; `last` needs these, and `gate`, which does not end. */
class World {
  readonly state = createState(new SimpleResourceTracker(), { batchSize: 1, gangMs: 0 });
  readonly commands: Command[] = [];
  readonly ran = new Map<string, number>();

  constructor(settings: Partial<RunSettings> = {}) {
    const middle = Array.from({ length: width }, (_, i) => `b${i}`);
    const dag = new Dag('run').add({ id: 'gate', code }).add({ id: 'root', code });
    for (const id of middle) dag.add({ id, code, args: ['root'] });
    const plan = compile(dag.add({ id: 'last', code, args: [...middle, 'gate'] }));
    this.state.estimates.push({ ...createEstimate(), mean: 10 });
    this.feed({ type: 'NodeUp', node: 'a', incarnation: 1, capabilities: { cpu: 4 }, speed: 1 });
    for (let thread = 0; thread < 2; thread++) this.feed({ type: 'ThreadUp', node: 'a', incarnation: 1, thread });
    const kept = new Uint8Array(plan.size);
    kept[plan.size - 1] = 1;
    this.feed({
      type: 'RunSubmitted',
      run: 'run',
      plan,
      settings: settingsOf(plan, { kept, ...settings }),
    });
    this.work();
  }

  feed(happening: Record<string, unknown>): void {
    this.commands.push(...handle(this.state, { ...happening, now: 0 } as unknown as Event));
    validate(this.state);
  }

  /** Ends all that runs but the gate, until nothing else runs. */
  work(): void {
    const idOf = (batch: Batch): string => batch.run.plan.entries[batch.functions[0]!]!.id;
    for (;;) {
      const batch = [...this.state.batches.values()].find((each) => idOf(each) !== 'gate');
      if (batch === undefined) return;
      this.ran.set(idOf(batch), (this.ran.get(idOf(batch)) ?? 0) + 1);
      this.feed({
        type: 'FunctionsEnded',
        batch: batch.id,
        first: 0,
        count: 1,
        exceptions: [],
        durations: [],
        random: 0.5,
      });
    }
  }

  lose(...ids: string[]): void {
    const { plan } = this.state.runs.get('run')!;
    this.feed({ type: 'ResultsLost', run: 'run', indexes: ids.map((id) => plan.indexOf(id)) });
    this.work();
  }

  get failures(): unknown[] {
    return this.commands.flatMap((command) => (command.type === 'Failed' ? [command.failed.failure] : []));
  }
}

it('a function that runs again because others lost its result is not charged with their losses', () => {
  const world = new World();
  for (let i = 0; i < width; i++) world.lose(`b${i}`);
  expect(world.ran.get('root')).toBe(1 + width);
  expect(world.failures).toEqual([]);
});

it('a function whose own result is lost too often fails, and the error names the limit', () => {
  const world = new World();
  for (let times = 0; times < 10; times++) world.lose('b3');
  expect(world.failures).toEqual([]);
  world.lose('b3');
  expect(world.failures).toEqual([{ kind: 'lost', times: 11, limit: 10 }]);
});

it('the run sets the limit: 0 fails at the first loss, Infinity never', () => {
  const strict = new World({ maxResultLosses: 0 });
  strict.lose('b3');
  expect(strict.failures).toEqual([{ kind: 'lost', times: 1, limit: 0 }]);
  const patient = new World({ maxResultLosses: Infinity });
  for (let times = 0; times < 50; times++) patient.lose('b3', 'b4');
  expect(patient.failures).toEqual([]);
});

it('one loss that is reported twice at once counts once', () => {
  const world = new World({ maxResultLosses: 1 });
  world.lose('b3', 'b3');
  expect(world.failures).toEqual([]);
});

it('the simulator has the same limit, as an option', () => {
  const dag = new Dag('d');
  for (let i = 0; i < 30; i++) dag.add({ id: `f${i}`, code, duration: 10, args: i === 0 ? [] : [`f${i - 1}`] });
  const run = (maxResultLosses: number) =>
    simulate(dag, { nodes: [{ name: 'a', capabilities: { cpu: 1 } }], faults: { losses: 50 }, maxResultLosses })
      .outcome;
  expect(run(0)).toMatchObject({ ok: false, code: 'FUNCTION_FAILED' });
  expect(run(Infinity)).toEqual({ ok: true });
  expect(thrownBy(() => run(-1))).toMatchObject({ code: 'INVALID_OPTION', option: 'maxResultLosses' });
});
