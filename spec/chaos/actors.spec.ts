import { expect, it } from 'vitest';
import { Handoff, type HandoffError, tasks } from '../../lib/index.ts';

const a = tasks<typeof import('../fixtures/actors.ts')>(new URL('../fixtures/actors.ts', import.meta.url));

// CHAOS=full: as many as make it hurt.
const full = process.env['CHAOS'] === 'full';
const [actors, asks] = full ? [100, 100_000] : [12, 6000];

it(`${actors} actors that are killed at random answer or fail each of ${asks} messages exactly once, and lose nothing that was answered`, async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: 1 } }] });
  const all = await Promise.all(
    Array.from({ length: actors }, () =>
      handoff.spawn(a.Ledger, { maxRestarts: 1e6, mailbox: { capacity: Infinity } }),
    ),
  );
  const added = new Array<number>(actors).fill(0);
  const unsure = new Array<number>(actors).fill(0);
  const settled = { answered: 0, crashed: 0, kills: 0 };
  let random = 1;
  const next = (below: number): number => (random = (random * 48271) % 0x7fffffff) % below;
  const waiting: Promise<void>[] = [];
  for (let i = 0; i < asks; i++) {
    const k = next(actors);
    if (next(full ? 1000 : 200) === 0) {
      settled.kills++;
      waiting.push(
        all[k]!.ask.exit(1).then(
          () => expect.unreachable(),
          ({ code }: HandoffError) => expect(code).toBe('WORKER_CRASHED'),
        ),
      );
    }
    waiting.push(
      all[k]!.ask.add(1).then(
        () => void (settled.answered++, added[k]!++),
        ({ code }: HandoffError) => {
          expect(code).toBe('WORKER_CRASHED');
          settled.crashed++;
          unsure[k]!++;
        },
      ),
    );
    if (i % 50 === 0) await new Promise(setImmediate);
  }
  await Promise.all(waiting);
  expect(settled.answered + settled.crashed).toBe(asks);
  expect(settled.kills).toBeGreaterThan(5);
  // Those that were with the thread along with what killed it.
  expect(settled.crashed).toBeLessThanOrEqual(settled.kills * 3);
  const values = await Promise.all(all.map((actor) => actor.ask.get()));
  for (const [k, value] of values.entries()) {
    expect(value).toBeGreaterThanOrEqual(added[k]!);
    expect(value).toBeLessThanOrEqual(added[k]! + unsure[k]!);
  }
  await handoff.stop();
}, 600_000);
