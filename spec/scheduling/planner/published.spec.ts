/** Published problems: how good schedules are, and what they cost. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { plan } from '../../../bench/support/sched/plan.ts';
import { readGraphs, readProjects } from '../../../bench/support/sched/read.ts';
import { dispatchReady, heft } from '../../../bench/support/sched/reference.ts';
import { faultsOf } from '../../../bench/support/sched/validate.ts';

const data = fileURLToPath(new URL('../../../bench/data', import.meta.url));
const projects = readProjects(data);
const above = (makespan: number, best: number): number => (makespan / best - 1) * 100;

describe('projects', () => {
  // What is measured, and a little more: a change that makes schedules worse shows.
  it.each([
    ['j3010_10', 8, 2.5],
    ['j601_3', 6, 2],
    ['j12031_6', 19, 10],
  ])('%s is planned well', (name, onePass, improved) => {
    const instance = projects.find((each) => each.name === name)!;
    const [first, best] = [plan(instance, 1), plan(instance, 1000)];
    for (const { placed, lowerBound } of [first, best]) {
      expect(faultsOf(instance, placed)).toEqual([]);
      expect(lowerBound).toBeLessThanOrEqual(instance.best);
    }
    expect(above(first.makespan, instance.best)).toBeLessThanOrEqual(onePass);
    expect(above(best.makespan, instance.best)).toBeLessThanOrEqual(improved);
  });
});

describe('task graphs', () => {
  it.each(readGraphs(data))('$name is planned as well as the best known solution', (instance) => {
    const { placed, makespan } = plan(instance, 1000);
    expect(faultsOf(instance, placed)).toEqual([]);
    expect(above(makespan, instance.best)).toBeLessThanOrEqual(1.3);
    expect(makespan).toBeGreaterThanOrEqual(instance.proven!);
  });
});

describe('the rules to compare with', () => {
  it.each(projects)('make feasible schedules of $name', (instance) => {
    for (const rule of ['fifo', 'b-level', 'b-level, earliest finish'] as const)
      expect(faultsOf(instance, dispatchReady(instance, rule))).toEqual([]);
    expect(faultsOf(instance, heft(instance))).toEqual([]);
  });
});

describe('the validator', () => {
  const instance = projects[0]!;
  const { placed } = plan(instance, 1);
  it.each([
    ['what is missing', placed.slice(1)],
    ['what starts too early', placed.map((each) => ({ ...each, start: 0, finish: each.finish - each.start }))],
    ['what takes another time', placed.map((each, k) => (k === 3 ? { ...each, finish: each.finish + 1 } : each))],
    ['what is on no node', placed.map((each, k) => (k === 3 ? { ...each, node: 'nowhere' } : each))],
  ])('finds %s', (_, wrong) => {
    expect(faultsOf(instance, wrong)).not.toEqual([]);
  });

  it('finds a resource that is used twice, and an input that does not exist yet', () => {
    const machines = instance.machines.map((machine) => ({
      ...machine,
      capabilities: Object.fromEntries(
        Object.entries(machine.capabilities).map(([name, amount]) => [name, amount - 1]),
      ),
    }));
    expect(faultsOf({ ...instance, machines }, placed).join()).toMatch(/are used/);
    expect(
      faultsOf(
        { ...instance, machines: instance.machines.map((machine) => ({ ...machine, threads: 1 })) },
        placed,
      ).join(),
    ).toMatch(/of threads/);
    const [first, second] = [
      { id: 'a', duration: 1, deps: [], bytes: 1000 },
      { id: 'b', duration: 1, deps: ['a'] },
    ];
    const two = {
      ...instance,
      work: [first, second],
      machines: ['m', 'n'].map((name) => ({ name, threads: 1, speed: 1, capabilities: {} })),
      bandwidth: 1000,
    };
    const at = (start: number, node: string) => [
      { id: 'a', node: 'm', start: 0, finish: 1 },
      { id: 'b', node, start, finish: start + 1 },
    ];
    expect(faultsOf(two, at(1, 'm'))).toEqual([]);
    expect(faultsOf(two, at(1, 'n'))).not.toEqual([]);
    expect(faultsOf(two, at(1001, 'n'))).toEqual([]);
  });
});
