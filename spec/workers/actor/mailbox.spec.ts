import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Mailbox } from '../../../lib/workers/actor/mailbox.ts';

it('holds messages in order, within its capacity, and reports each lost one', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant('push' as const) },
    fc.constant('shift' as const),
    fc.constant('remove' as const),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom('reject' as const, 'drop-oldest' as const),
      fc.array(step, { maxLength: 60 }),
      (capacity, overflow, steps) => {
        const mailbox = new Mailbox<{ readonly n: number }>(capacity, overflow);
        let expected: { readonly n: number }[] = [];
        let n = 0;
        for (const each of steps) {
          if (each === 'push') {
            const message = { n: n++ };
            const full = expected.length === capacity;
            const fallen = mailbox.push(message);
            if (!full) expect(fallen).toBeUndefined();
            else if (overflow === 'reject' || capacity === 0) expect(fallen).toBe(message);
            else expect(fallen).toBe(expected.shift());
            if (!full || (overflow === 'drop-oldest' && capacity > 0)) expected.push(message);
          } else if (each === 'shift') {
            expect(mailbox.shift()).toBe(expected.shift());
          } else if (expected.length > 0) {
            const victim = expected[expected.length >> 1]!;
            expect(mailbox.remove(victim)).toBe(true);
            expect(mailbox.remove(victim)).toBe(false);
            expected = expected.filter((message) => message !== victim);
          }
          expect(mailbox.size).toBe(expected.length);
        }
        expect(mailbox.drain()).toEqual(expected);
        expect(mailbox.size).toBe(0);
      },
    ),
  );
});
