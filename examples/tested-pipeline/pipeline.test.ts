/** Tests of one's own functions and DAG, from the fastest to the most real. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// In a project of your own: from 'handoffjs', 'handoffjs/simulate' and 'handoffjs/task'.
import { Handoff, isHandoffError } from '../../lib/index.ts';
import { simulate } from '../../lib/simulate.ts';
import { withContext } from '../../lib/task.ts';
import { volatilities } from './pipeline.ts';
import { load, publish, volatility } from './tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'volatilities-'));
const good = join(folder, 'good.csv');
const bad = join(folder, 'bad.csv');
writeFileSync(good, 'symbol,date,price\nA,1,100\nA,2,110\nA,3,99\nB,1,5\nB,2,5\nB,3,5\n');
writeFileSync(bad, 'symbol,date,price\nA,1,none\n');
afterAll(() => rmSync(folder, { recursive: true }));

describe('functions, called as functions', () => {
  it('volatility is the deviation of the changes', () => {
    const prices = [100, 110, 99].map((price, i) => ({ symbol: 'A', date: `${i}`, price }));
    expect(volatility(prices, 'A')).toBeCloseTo(10);
    expect(() => volatility(prices, 'B')).toThrow('B has 0 prices');
  });

  it('load names the line that it cannot read', async () => {
    await expect(load(bad)).rejects.toThrow(`${bad}:2: expected symbol,date,price`);
  });
});

describe('a function that uses its context', () => {
  it('logs that it is tried again', async () => {
    const logged: unknown[] = [];
    const log = (...values: unknown[]): void => void logged.push(...values);
    expect(await withContext({ attempt: 2, log }, () => publish([1.25], ['A'], 0))).toBe('A 1.3 %');
    expect(logged).toEqual(['attempt 2']);
  });

  it('stops when its run does', async () => {
    const signal = AbortSignal.abort();
    await expect(withContext({ signal }, () => publish([], [], 60_000))).rejects.toThrow('aborted');
  });
});

describe('the DAG, without running it', () => {
  it('is valid', () => {
    expect(volatilities(good, ['A']).validate()).toEqual({ ok: true });
  });

  it('computes volatilities side by side: in virtual time, four cores save three of four', () => {
    const makespan = (cpu: number): number => {
      const nodes = [{ name: 'a', capabilities: { cpu }, threads: cpu }];
      return simulate(volatilities(good, ['A', 'B', 'C', 'D']), { nodes }).makespan;
    };
    expect(makespan(1) - makespan(4)).toBeCloseTo(15);
  });
});

describe('the DAG, run on two threads', () => {
  let handoff: Handoff;
  beforeAll(async () => {
    handoff = await Handoff.start({ nodes: [{ name: 'test', capabilities: { cpu: 2 } }] });
  });
  afterAll(() => handoff.stop());

  it('gives the report', async () => {
    expect((await handoff.run(volatilities(good, ['A', 'B'], 0))).report).toBe('A 10.0 %\nB 0.0 %');
  });

  it('says which function failed, and why', async () => {
    const error = await handoff.run(volatilities(bad, ['A'])).catch((reason: unknown) => reason);
    if (!isHandoffError(error, 'FUNCTION_FAILED')) throw error;
    expect(error.functionId).toBe('load');
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  it('ends when it is aborted', async () => {
    const stop = new AbortController();
    handoff.once('run:started', () => stop.abort());
    const run = handoff.run(volatilities(good, ['A'], 60_000), { signal: stop.signal });
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
