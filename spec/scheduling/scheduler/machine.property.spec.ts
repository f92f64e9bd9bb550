import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findImpossible } from '../../../lib/scheduling/resources/feasibility.ts';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag } from '../../../lib/index.ts';
import { Status, type Tuning } from '../../../lib/scheduling/scheduler/state.ts';
import { toSpecs, vertices, type Vertex } from '../../support/graphs.ts';
import { runs } from '../../support/runs.ts';
import { World, type WorldOptions } from './world.ts';

const nodes = [
  { name: 'a', capabilities: { cpu: 2, memory: 1000 }, threads: 2 },
  { name: 'b', capabilities: { cpu: 4, memory: 2000 }, threads: 1 },
];
const code = { module: 'file:///tasks.js', export: 'combine' };

function build(all: readonly Vertex[]): Dag {
  const dag = new Dag('run');
  for (const spec of toSpecs(all, code)) dag.add(spec);
  return dag;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Whatever is ready is too little for the threads, and what follows is sent along.
const ahead: Partial<Tuning> = {
  minMs: 1e-9,
  batchMs: 1e3,
  gangMs: 1e3,
  gangGrainMs: 0,
  gangSlackMs: -1e3,
  batchSize: 20,
};

// How the scheduler hands out functions, and whether it knows from the start how long they take.
const modes: [string, Partial<Tuning>, boolean][] = [
  ['in batches', {}, false],
  ['in gangs', ahead, true],
];

/** Functions whose every attempt that is allowed fails. */
function doomed(all: readonly Vertex[], maxRetries: number): Set<string> {
  return new Set(
    all.filter((vertex) => vertex.failures > (vertex.maxRetries ?? maxRetries)).map((vertex) => vertex.id),
  );
}

/** Whether the DAG can be placed at all: groups may ask more than any node has. */
function possible(dag: Dag): boolean {
  return (
    findImpossible(compile(dag), Object.fromEntries(nodes.map(({ name, capabilities }) => [name, capabilities]))) ===
    undefined
  );
}

const graph = vertices({ nodes: ['a', 'b'] });
const seed = fc.integer();

describe.each(modes)('the scheduler, %s, whatever the DAG and the order of events', (_mode, tuning, knows) => {
  function world(s: number, all: readonly Vertex[], options: Partial<WorldOptions> = {}): World {
    const byId = new Map(all.map((vertex) => [vertex.id, vertex]));
    const made = new World({
      nodes,
      random: randomFrom(s),
      tuning,
      fails: (run, index, attempt) => attempt <= byId.get(run.plan.entries[index]!.id)!.failures,
      ...options,
    });
    if (knows) Object.assign(made.state.estimates[0]!, { mean: 0.005, count: 8 });
    return made;
  }

  it('runs every function exactly once when nothing fails, each after what it needs', () => {
    fc.assert(
      fc.property(vertices({ nodes: ['a', 'b'], failures: false }), seed, (all, s) => {
        const dag = build(all);
        fc.pre(possible(dag));
        const plan = compile(dag);
        const w = world(s, all);
        w.submit(plan);
        w.runToEnd();
        expect(w.outcomes.get('run')!.type).toBe('finished');
        expect(w.started.map(({ index }) => index).sort((a, b) => a - b)).toEqual([...plan.entries.keys()]);
      }),
      { numRuns: runs(500) },
    );
  });

  it('starts a gated function only after a miss, and finishes, whatever is lost on the way', () => {
    fc.assert(
      fc.property(vertices({ nodes: ['a', 'b'], failures: false }), seed, seed, (all, s, g) => {
        const dag = build(all.map(({ maxRetries: _, ...vertex }) => vertex));
        fc.pre(possible(dag));
        const plan = compile(dag);
        const chance = randomFrom(g);
        const gated = Uint8Array.from(plan.entries, () => Number(chance() < 0.7));
        const isHit = plan.entries.map(() => chance() < 0.5);
        const kept = Uint8Array.from(plan.entries, () => Number(chance() < 0.5));
        const lookedUp: number[] = [];
        const w = world(s, all, {
          crashes: 0.02,
          nodeFailures: 0.01,
          hits: (_, i) => {
            lookedUp.push(i);
            expect(
              w.started.some(({ index }) => index === i),
              'it started before it was looked up',
            ).toBe(false);
            return isHit[i]!;
          },
        });
        w.submit(plan, { maxRetries: 1000, gated, kept });
        w.runToEnd();
        expect(w.outcomes.get('run')!.type).toBe('finished');
        expect(lookedUp.toSorted((a, b) => a - b)).toEqual([...plan.entries.keys()].filter((i) => gated[i] === 1));
        for (const i of plan.entries.keys()) {
          const isDoneBefore = gated[i] === 1 && isHit[i]!;
          expect(w.started.some(({ index }) => index === i)).toBe(!isDoneBefore);
        }
      }),
      { numRuns: runs(500) },
    );
  });

  it('retries what fails, and finishes exactly when every function succeeds within its retries', () => {
    fc.assert(
      fc.property(graph, seed, fc.integer({ min: 0, max: 3 }), (all, s, maxRetries) => {
        const dag = build(all);
        fc.pre(possible(dag));
        const w = world(s, all);
        w.submit(compile(dag), { maxRetries });
        w.runToEnd();
        const { type, outcome, run } = w.outcomes.get('run')!;
        const bad = doomed(all, maxRetries);
        expect(type).toBe(bad.size === 0 ? 'finished' : 'failed');
        if (outcome?.kind === 'failed') {
          expect(outcome.failures).toHaveLength(1);
          const [{ index, attempts }] = outcome.failures as [(typeof outcome.failures)[0]];
          const { id, traits } = run.plan.entries[index]!;
          expect(bad).toContain(id);
          expect(attempts).toBe((traits.maxRetries ?? maxRetries) + 1);
        }
      }),
      { numRuns: runs(500) },
    );
  });

  it('with keepGoing finishes every function that depends on no failed one', () => {
    fc.assert(
      fc.property(graph, seed, (all, s) => {
        const dag = build(all);
        fc.pre(possible(dag));
        const w = world(s, all);
        w.submit(compile(dag), { maxRetries: 1, keepGoing: true });
        w.runToEnd();
        const { outcome, run } = w.outcomes.get('run')!;
        const lost = doomed(all, 1);
        for (const { id, args } of all) if (args.some((arg) => lost.has(arg))) lost.add(id);
        const done = run.plan.entries.filter((_, i) => run.status[i] === Status.done).map((entry) => entry.id);
        expect(done).toEqual(all.filter(({ id, type }) => type === 'regular' && !lost.has(id)).map(({ id }) => id));
        expect(outcome === undefined).toBe(lost.size === 0);
      }),
      { numRuns: runs(500) },
    );
  });

  it('loses nothing when workers die, and blames only what was running', () => {
    fc.assert(
      fc.property(vertices({ nodes: ['a', 'b'], failures: false }), seed, (all, s) => {
        const dag = build(all.map(({ maxRetries: _, ...vertex }) => vertex));
        fc.pre(possible(dag));
        const w = world(s, all, { crashes: 0.05 });
        w.submit(compile(dag), { maxRetries: 1000 });
        w.runToEnd();
        expect(w.outcomes.get('run')!.type).toBe('finished');
      }),
      { numRuns: runs(500) },
    );
  });

  it('never uses more threads than maxConcurrency, and still finishes', () => {
    fc.assert(
      fc.property(vertices({ failures: false }), seed, fc.integer({ min: 1, max: 2 }), (all, s, maxConcurrency) => {
        const dag = build(all);
        fc.pre(possible(dag));
        const w = world(s, all);
        w.submit(compile(dag), { maxConcurrency }); // validate() holds the bound after every event
        w.runToEnd();
        expect(w.outcomes.get('run')!.type).toBe('finished');
      }),
    );
  });

  it('ends an aborted run with nothing left running, at whatever moment it comes', () => {
    fc.assert(
      fc.property(
        vertices({ nodes: ['a', 'b'], failures: false }),
        seed,
        fc.nat({ max: 60 }),
        fc.boolean(),
        (all, s, steps, gently) => {
          const dag = build(all);
          fc.pre(possible(dag));
          const w = world(s, all);
          w.submit(compile(dag), { maxRetries: 1000 });
          for (let i = 0; i < steps && w.state.runs.size > 0; i++) w.step();
          const before = w.outcomes.get('run');
          w.feed({ type: 'RunAborted', run: 'run', reason: 'enough', gently });
          w.runToEnd();
          const after = w.outcomes.get('run')!;
          // Gently, what ran may have been all that was left.
          if (before === undefined && !(gently && after.type === 'finished'))
            expect(after.outcome).toEqual({ kind: 'aborted', reason: 'enough', gently });
          if (after.type === 'finished') expect(after.run.unfinished).toBe(0);
          expect(w.state.batches.size).toBe(0);
          expect(w.state.nodes.map((node) => Object.values(node.claimed).every((amount) => amount === 0))).toEqual([
            true,
            true,
          ]);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('ends every run and holds nothing afterwards, when everything happens at once', () => {
    fc.assert(
      fc.property(
        graph,
        graph,
        seed,
        fc.boolean(),
        fc.constantFrom(1, 2, Infinity),
        (one, two, s, keepGoing, maxConcurrency) => {
          const dags = [one, two].map((all, k) => {
            const dag = new Dag(`run${k}`);
            toSpecs(all, code).forEach((spec, i) =>
              dag.add({
                ...spec,
                ...(i % 5 === 0 && spec.type !== 'inline' && { timeout: 3 }),
                ...(i % 4 === 1 && { retryDelay: 2 }),
                ...(i % 3 === 0 && { priority: i }),
              }),
            );
            return dag;
          });
          fc.pre(dags.every(possible));
          const w = world(s, [], {
            crashes: 0.03,
            nodeFailures: 0.01,
            fails: (_run, index, attempt) => (index + attempt) % 7 === 0,
          });
          for (const dag of dags)
            w.submit(compile(dag), {
              maxRetries: 2,
              keepGoing,
              maxConcurrency,
              kept: new Uint8Array(compile(dag).size),
            });
          w.runToEnd();
          expect(w.outcomes.size).toBe(2);
          expect([w.state.batches.size, w.state.hungry.size]).toEqual([0, 0]);
          expect([...w.state.timers.values()].filter(({ kind }) => kind !== 'rebalance')).toEqual([]);
          for (const node of w.state.nodes)
            expect(Object.values(node.claimed).every((amount) => amount === 0)).toBe(true);
        },
      ),
      { numRuns: runs(1500) },
    );
  });

  it('leaves no function waiting behind one that does not end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.nat({ max: 59 }),
        fc.nat({ max: 20 }),
        fc.boolean(),
        seed,
        (count, at, chained, rooted, s) => {
          const stuck = at % count;
          const dag = new Dag('run');
          for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code, args: rooted ? ['root'] : [] });
          for (let i = 0; i < chained; i++)
            dag.add({ id: `c${i}`, code, args: [i === 0 ? `f${(stuck + 1) % count}` : `c${i - 1}`] });
          if (rooted) dag.add({ id: 'root', code });
          const w = world(s, [], { fails: () => false, stuck: (_run, index) => index === stuck });
          // Known to be fast, so that much travels together.
          Object.assign(w.state.estimates[0]!, { mean: 0.001, count: 100 });
          w.submit(compile(dag));
          const run = w.state.runs.get('run')!;
          for (let steps = 0; run.unfinished > 1; steps++) {
            expect(steps).toBeLessThan(5000);
            w.step();
          }
          expect(run.status[stuck]).not.toBe(Status.done);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  it('keeps runs apart that share threads and resources', () => {
    fc.assert(
      fc.property(graph, graph, seed, (one, two, s) => {
        const dags = [one, two].map((all, k) => {
          const dag = new Dag(`run${k}`);
          for (const spec of toSpecs(all, code)) dag.add(spec);
          return dag;
        });
        fc.pre(dags.every(possible));
        const w = world(s, [], { fails: () => false });
        for (const dag of dags) w.submit(compile(dag));
        w.runToEnd();
        expect([...w.outcomes.values()].map(({ type }) => type)).toEqual(['finished', 'finished']);
      }),
    );
  });

  it('releases a result exactly once, when its last reader is done, and never one that is kept', () => {
    fc.assert(
      fc.property(vertices({ failures: false, inline: false }), seed, (all, s) => {
        const dag = build(all);
        fc.pre(possible(dag));
        const plan = compile(dag);
        const kept = Uint8Array.from(plan.entries, (_entry, i) => i % 2);
        const w = world(s, all);
        w.submit(plan, { kept });
        w.runToEnd();
        expect(w.released.sort()).toEqual(
          plan.entries
            .filter((_, i) => kept[i] === 0)
            .map((entry) => entry.id)
            .sort(),
        );
      }),
    );
  });
});
