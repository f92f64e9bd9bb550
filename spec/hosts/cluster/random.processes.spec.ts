import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findImpossible } from '../../../lib/scheduling/resources/feasibility.ts';
import { compile } from '../../../lib/dag/compile/compile.ts';
import { Dag, HandoffError } from '../../../lib/index.ts';
import { afterFailures, interpret, vertices, type Vertex } from '../../support/graphs.ts';
import { useCluster } from '../../support/hosts.ts';
import { f } from './folder.ts';
import { runs } from '../../support/runs.ts';

const capabilities = { a: { cpu: 2, memory: 1000 }, b: { cpu: 2, memory: 1000 }, c: { cpu: 1, memory: 700 } } as const;
const node = (
  name: keyof typeof capabilities,
): { name: string; capabilities: Record<string, number>; threads: number } => ({
  name,
  capabilities: capabilities[name],
  threads: 2,
});
const cluster = useCluster({ nodes: [node('a')] }, { nodes: [node('b')] }, { nodes: [node('c')] });

function toDag(all: readonly Vertex[]): Dag {
  const dag = new Dag();
  for (const { failures, ...vertex } of all) {
    dag.add({
      ...vertex,
      code: f.weave,
      layout: [
        { value: vertex.id },
        { value: Math.min(failures, 1000) },
        ...Array.from(vertex.args.keys(), (arg) => ({ arg })),
      ],
    });
  }
  return dag;
}

const shape = { nodes: ['a', 'b', 'c'], maxSize: 40 } as const;
const possible = (dag: Dag): boolean => findImpossible(compile(dag), capabilities) === undefined;
const plain = (results: Readonly<Record<string, unknown>>): unknown =>
  Object.fromEntries(
    Object.entries(results).map(([id, value]) => [
      id,
      typeof value === 'number' ? value : (value as Float64Array).at(-1),
    ]),
  );

const numRuns = Number(process.env['PROPERTY_RUNS'] ?? runs(200));

describe('random DAGs over three hosts agree with the reference interpreter', () => {
  it('in every value, and in the node of each function', async () => {
    await fc.assert(
      fc.asyncProperty(vertices({ ...shape, failures: false }), async (all) => {
        const dag = toDag(all);
        fc.pre(possible(dag));
        const { results, allocations } = await cluster.handoff.execute(dag, { timeout: 240_000 });
        const expected = interpret(all);
        expect(plain(results)).toEqual(
          Object.fromEntries(all.filter(({ type }) => type === 'regular').map(({ id }) => [id, expected.get(id)])),
        );
        for (const { id, node: pin } of all) if (typeof pin === 'string') expect(allocations[id]).toBe(pin);
        for (const { id, node: pin } of all)
          if (typeof pin === 'object') expect(allocations[id]).toBe(allocations[pin.collocatedWith]);
      }),
      { numRuns },
    );
  });

  it('in failures, retries and remaining results', async () => {
    await fc.assert(
      fc.asyncProperty(vertices(shape), fc.integer({ min: 0, max: 2 }), async (all, maxRetries) => {
        const dag = toDag(all);
        fc.pre(possible(dag));
        const { failing, lost, left } = afterFailures(all, maxRetries);
        const outcome: unknown = await cluster.handoff
          .execute(dag, { maxRetries, failurePolicy: 'continue', timeout: 240_000 })
          .catch((error: unknown) => error);
        if (failing.size === 0) {
          expect(plain((outcome as { results: Record<string, unknown> }).results)).toEqual(left);
          return;
        }
        expect(outcome).toBeInstanceOf(HandoffError);
        const { results, failures } = outcome as HandoffError;
        expect(plain(results!)).toEqual(left);
        const reached = [...failing].filter(
          (id) => !all.find((vertex) => vertex.id === id)!.args.some((arg) => lost.has(arg)),
        );
        expect(failures!.map(({ functionId }) => functionId).sort()).toEqual(reached.sort());
      }),
      { numRuns },
    );
  });

  it('when three orchestrators share the same nodes, none of which is overcommitted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          vertices({ ...shape, failures: false }),
          vertices({ ...shape, failures: false }),
          vertices({ ...shape, failures: false }),
        ),
        async (graphs) => {
          const dags = graphs.map(toDag);
          fc.pre(dags.every(possible));
          const [b, c] = cluster.hosts;
          const outcomes = await Promise.all([
            cluster.handoff.execute(dags[0]!, { timeout: 240_000 }),
            b!.execute(dags[1]!, { timeout: 240_000 }),
            c!.execute(dags[2]!, { timeout: 240_000 }),
          ]);
          for (const [k, { results }] of outcomes.entries()) {
            const expected = interpret(graphs[k]!);
            expect(plain(results)).toEqual(
              Object.fromEntries(
                graphs[k]!.filter(({ type }) => type === 'regular').map(({ id }) => [id, expected.get(id)]),
              ),
            );
          }
        },
      ),
      { numRuns: Math.ceil(numRuns / 2) },
    );
    for (const [host, name] of [
      [cluster.hosts[0]!, 'b'],
      [cluster.hosts[1]!, 'c'],
    ] as const) {
      const { now, most } = await host.claims(name);
      expect(now).toEqual({});
      for (const [resource, amount] of Object.entries(most))
        expect(amount).toBeLessThanOrEqual((capabilities[name] as Record<string, number>)[resource]!);
    }
  });
});
