/** What a report of another host may say of a batch. */
import { describe, expect, it } from 'vitest';
import { checkReport } from '../../../lib/hosts/cluster/report-check.ts';
import { thrownBy } from '../../support/handoff.ts';

const reportOf = (durations: readonly number[]) => ({
  first: 0,
  count: 4,
  exceptions: [],
  durations,
  spans: null,
  values: [1, 2, 3, 4],
});

describe('a report of four functions', () => {
  it.each([
    ['several together', [7, 4, 2.5]],
    ['the first, which was long', [7, -0, 3]],
    ['another, which was long', [7, -3, 3, 7, 3, 0.2]],
    ['two from the second on', [7, -(1 + 0x10000), 5]],
  ])('may measure %s', (_, durations) => {
    expect(() => checkReport(reportOf(durations), 4)).not.toThrow();
  });

  it.each([
    ['a place outside the batch', [7, -4, 3]],
    ['more functions than there are', [7, 5, 3]],
    ['half a function', [7, 1.5, 3]],
    ['a negative time', [7, 1, -3]],
    ['a negative code', [-1, 1, 3]],
    ['less than three numbers', [7, 1]],
  ])('is refused when it measures %s', (_, durations) => {
    expect(thrownBy(() => checkReport(reportOf(durations), 4))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  });
});
