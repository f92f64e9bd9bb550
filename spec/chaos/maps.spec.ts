/** A host that is killed in the middle of a map. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dag, type Handoff, tasks } from '../../lib/index.ts';
import { temporary } from '../hosts/cluster/folder.ts';
import { next, startHere, startHost } from '../support/hosts.ts';

const t = tasks<typeof import('../fixtures/chaos-tasks.ts')>(new URL('../fixtures/chaos-tasks.ts', import.meta.url));

// CHAOS=full: as much as it takes to believe it.
const full = process.env['CHAOS'] === 'full';
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? (full ? 20 : 2));
const [elements, ms] = [2000, 5];
const transport = { heartbeatInterval: 100, heartbeatTimeout: 1500 };
const node = (name: string) => [{ name, capabilities: { cpu: 1 }, threads: 1 }];

/** Resolves when so many attempts have ended, of which the last was on that node. */
function endedOn(handoff: Handoff, wanted: string, count: number): Promise<void> {
  let ended = 0;
  return next(handoff, 'attempts', ({ node: on, functionIds }: { node: string; functionIds: readonly string[] }) => {
    ended += functionIds.length;
    return ended >= count && on === wanted;
  });
}

/** How often each element has begun. */
function begunIn(log: string): Map<number, number> {
  const begun = new Map<number, number>();
  for (const line of readFileSync(log, 'utf8').trim().split('\n'))
    begun.set(Number(line), (begun.get(Number(line)) ?? 0) + 1);
  return begun;
}

it(
  `a map of ${elements} × ${ms} ms over two hosts gives the right list ${rounds} times of ${rounds}, when one of them is killed in the middle`,
  async () => {
    const right = Array.from({ length: elements }, (_, k) => k ** 2);
    const stays = await startHost({ nodes: node('stays'), transport });
    const handoff = await startHere({ join: [stays.address], transport });
    let extra = 0;
    for (let round = 0; round < rounds; round++) {
      const up = next(handoff, 'node:up', ({ node: name }) => name === 'goes');
      const goes = await startHost({ nodes: node('goes'), join: [stays.address], transport });
      await up;
      const log = join(temporary(), 'log');
      const squares = t.squared.map(t.upTo(elements), log, ms);
      const middle = endedOn(handoff, 'goes', (elements * (1 + (round % 8))) / 10);
      const down = next(handoff, 'node:down', ({ node: name }) => name === 'goes');
      const running = handoff.run(dag('squares', { squares }), { maxRetries: 0 });
      await middle;
      await goes.kill();
      const results = await running;
      await down;
      expect(results.squares, `round ${round}`).toEqual(right);
      const begun = begunIn(log);
      expect(begun.size).toBe(elements);
      const more = [...begun.values()].reduce((sum, count) => sum + count - 1, 0);
      expect(more, 'elements that run again are those of the host that was killed').toBeLessThan(elements);
      extra += more;
    }
    process.stderr.write(
      `${rounds} rounds of ${elements} elements: ${extra} executions too many (${((100 * extra) / (rounds * elements)).toFixed(1)} %)\n`,
    );
  },
  full ? 3_600_000 : 300_000,
);
