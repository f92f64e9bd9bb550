import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Dag, Handoff } from '../../lib/index.ts';
import { t } from '../support/handoff.ts';
import { next } from '../support/hosts.ts';
import { describeWith } from '../support/requires.ts';

const space = `handoff-${process.pid}`;
const [outer, inner] = [`ho${process.pid}a`, `ho${process.pid}b`];
// A network of four addresses of its own, by the number of the process.
const net = `10.${77 + (process.pid >> 14)}.${(process.pid >> 6) & 255}`;
const base = (process.pid & 63) << 2;
const [here, there] = [`${net}.${base + 1}`, `${net}.${base + 2}`];
const port = 7300;
const secret = 'of this spec, and long enough';

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'ignore' });

/** Whether networks can be made here, which takes root and iproute2. */
const able = ((): boolean => {
  try {
    ip('netns', 'add', space);
    return true;
  } catch {
    return false;
  }
})();

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

describeWith('root and iproute2, to make a network that can be cut (Debian: apt-get install iproute2)', able)(
  'a host behind a network of its own',
  () => {
    let child: ReturnType<typeof spawn>;
    let handoff: Handoff;

    beforeAll(async () => {
      ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
      ip('link', 'set', inner, 'netns', space);
      ip('addr', 'add', `${here}/30`, 'dev', outer);
      ip('link', 'set', outer, 'up');
      ip('netns', 'exec', space, 'ip', 'addr', 'add', `${there}/30`, 'dev', inner);
      ip('netns', 'exec', space, 'ip', 'link', 'set', inner, 'up');
      ip('netns', 'exec', space, 'ip', 'link', 'set', 'lo', 'up');
      const main = new URL('../../lib/cli/main.ts', import.meta.url).pathname;
      child = spawn(
        'ip',
        [
          'netns',
          'exec',
          space,
          process.execPath,
          main,
          'node',
          '--listen',
          `${there}:${port}`,
          '--nodes',
          'far:cpu=1',
          '--json',
        ],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { ...process.env, HANDOFF_SECRET: secret },
        },
      );
      await once(child.stdout!, 'data'); // it says that it is ready
      handoff = await Handoff.start({
        nodes: [{ name: 'near', capabilities: { cpu: 1 }, threads: 1 }],
        transport: { type: 'tcp', join: [`${there}:${port}`], secret, heartbeatInterval: 100, heartbeatTimeout: 1000 },
      });
    });

    afterAll(async () => {
      await handoff?.stop({ drain: false });
      child?.kill('SIGKILL');
      ip('netns', 'del', space); // its end of the cable goes with it, and so does ours
    });

    it('is given up when the network is cut in the middle of a run, and taken in again when that has healed', async () => {
      const { results: right } = await handoff.execute(dag());
      let finished = 0;
      const cut = (): void => {
        if (++finished !== Math.floor(functions / 3)) return;
        ip('link', 'set', outer, 'down');
      };
      handoff.on('function:finished', cut);
      const down = next(handoff, 'node:down');
      const { results, allocations } = await handoff.execute(dag(), { maxRetries: 0 });
      handoff.off('function:finished', cut);
      expect((await down).node).toBe('far');
      expect(values(results)).toEqual(values(right));
      expect(new Set(Object.values(allocations))).toContain('near');

      const up = next(handoff, 'node:up');
      ip('link', 'set', outer, 'up');
      expect((await up).node).toBe('far');
      const again = await handoff.execute(dag());
      expect(values(again.results)).toEqual(values(right));
      expect(new Set(Object.values(again.allocations))).toEqual(new Set(['near', 'far']));
    }, 60_000);
  },
);
