/**
 * How long a node of one thread needs to answer again after a failure: from the report of the failure to the next
 * result.
 */
import { Dag, type CodeLike, Handoff, tasks } from '../lib/index.ts';
import { median, timed } from './support/measure.ts';
import type { Row } from './support/report.ts';

const t = tasks<typeof import('./support/breaking.ts')>(new URL('./support/breaking.ts', import.meta.url));

const failures: Readonly<Record<string, { readonly code: CodeLike; readonly timeout?: number }>> = {
  'an error is thrown': { code: t.throwError },
  'the stack overflows': { code: t.overflow },
  'process.exit': { code: t.exit },
  'an error is not caught': { code: t.throwUncaught },
  'a timeout that it ignores': { code: t.spin, timeout: 20 },
  'out of memory': { code: t.hoard },
};

export async function recovery({ rounds }: { readonly rounds: number }): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [what, failing] of Object.entries(failures)) {
    await using handoff = await Handoff.start({
      nodes: [{ name: 'n', capabilities: { cpu: 1, memory: 64 }, threads: 1 }],
      gracePeriod: 0,
    });
    const ask = (): Promise<unknown> => handoff.execute(new Dag().add({ id: 'next', code: t.answer }));
    await ask();
    const [after, undisturbed]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      undisturbed.push((await timed(ask)).ms);
      const failed = await handoff.execute(new Dag().add({ id: 'bad', maxRetries: 0, ...failing })).then(
        () => false,
        () => true,
      );
      if (!failed) throw new Error(`${what}: this did not fail`);
      after.push((await timed(ask)).ms);
    }
    rows.push({
      group: 'recovery',
      name: `${what}: until the next answer`,
      unit: 'ms',
      ours: median(after),
      beside: median(undisturbed),
      what: 'undisturbed',
    });
  }
  return rows;
}
