import { describe, expect, it } from 'vitest';
import { historyEvents } from '../../lib/dashboard/history.ts';
import { Outcome, recordedEvents, RunRecord } from '../../lib/report/run-record.ts';
import { graphOf } from './records.ts';

describe('a function that does not run again', () => {
  it.each([
    ['restored', { type: 'function:restored', node: 'a' }],
    ['cached', { type: 'function:cached' }],
  ] as const)('counts as done, once, when it is %s', (_, event) => {
    const record = new RunRecord(graphOf([{ id: 'a' }, { id: 'b' }]));
    for (let k = 0; k < 2; k++) record.record({ ...event, at: k, runId: 'd', dagId: 'd', functionId: 'b' });
    expect(record.done).toBe(1);
    expect([...record.outcome]).toEqual([Outcome.waiting, Outcome.done]);
  });

  it.each([
    ['progress and summaries', recordedEvents],
    ['the dashboard', historyEvents],
  ])('is known to %s', (_, events) => {
    expect(events).toContain('function:restored');
    expect(events).toContain('function:cached');
  });
});
