/** How far a peer's clock is from this host's, as heartbeats tell. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerClock } from '../../../lib/hosts/cluster/clock.ts';

// Times are near so much, and told in steps of 2^-12 ms.
const epoch = 1_800_000_000_000;
const rounding = 0.002;

const offset = fc.double({ min: -1e7, max: 1e7, noNaN: true });
const delay = fc.double({ min: 0, max: 500, noNaN: true });

/**
 * A heartbeat from here and one back: what the clock learns when the two ways take so long, the peer's clock ahead by
 * `ahead`.
 */
function roundTrip(
  clock: PeerClock,
  at: number,
  {
    there,
    back,
    wait,
    ahead,
  }: { readonly there: number; readonly back: number; readonly wait: number; readonly ahead: number },
): number {
  const peer = new PeerClock();
  peer.read(clock.write(at), at + there + ahead);
  const end = at + there + wait + back;
  clock.read(peer.write(at + there + wait + ahead), end);
  return end;
}

describe("the offset of a peer's clock", () => {
  it('is exact when both ways take equally long, however long the peer waits in between', () => {
    fc.assert(
      fc.property(offset, delay, fc.double({ min: 0, max: 5000, noNaN: true }), (ahead, way, wait) => {
        const clock = new PeerClock();
        roundTrip(clock, epoch, { there: way, back: way, wait, ahead });
        expect(Math.abs(clock.offset - ahead)).toBeLessThanOrEqual(rounding);
      }),
    );
  });

  it('is wrong by half the difference between both ways, and bounds its own error', () => {
    fc.assert(
      fc.property(offset, delay, delay, (ahead, there, back) => {
        const clock = new PeerClock();
        roundTrip(clock, epoch, { there, back, wait: 1, ahead });
        expect(Math.abs(clock.offset - ahead)).toBeLessThanOrEqual(Math.abs(there - back) / 2 + rounding);
        expect(Math.abs(clock.offset - ahead)).toBeLessThanOrEqual(clock.uncertainty + rounding);
      }),
    );
  });

  it('comes from the shortest of the recent round trips', () => {
    fc.assert(
      fc.property(offset, fc.array(fc.tuple(delay, delay), { minLength: 1, maxLength: 8 }), (ahead, ways) => {
        const clock = new PeerClock();
        let at = epoch;
        for (const [there, back] of ways) at = roundTrip(clock, at, { there, back, wait: 0, ahead });
        const drifted = (at - epoch) * 100e-6;
        const least = Math.min(...ways.map(([there, back]) => there + back));
        expect(Math.abs(clock.offset - ahead)).toBeLessThanOrEqual(least / 2 + drifted + rounding);
      }),
    );
  });

  it('stays within its bound at any pace of heartbeats and any delay of either way', () => {
    const step = fc.record({
      from: fc.constantFrom('here' as const, 'there' as const),
      pause: fc.double({ min: 0, max: 1000, noNaN: true }),
      way: delay,
    });
    fc.assert(
      fc.property(offset, fc.array(step, { minLength: 2, maxLength: 40 }), (ahead, steps) => {
        const [here, there] = [new PeerClock(), new PeerClock()];
        const letters: {
          readonly to: 'here' | 'there';
          readonly at: number;
          readonly says: ReturnType<PeerClock['write']>;
        }[] = [];
        let now = epoch;
        const last = { here: 0, there: 0 };
        const deliver = (until: number): void => {
          letters.sort((a, b) => a.at - b.at);
          while (letters.length > 0 && letters[0]!.at <= until) {
            const { to, at, says } = letters.shift()!;
            if (to === 'here') here.read(says, at);
            else there.read(says, at + ahead);
          }
        };
        for (const { from, pause, way } of steps) {
          now += pause;
          deliver(now);
          const to = from === 'here' ? 'there' : 'here';
          last[to] = Math.max(last[to], now + way);
          letters.push({ to, at: last[to], says: from === 'here' ? here.write(now) : there.write(now + ahead) });
        }
        deliver(Infinity);
        if (here.uncertainty < Infinity)
          expect(Math.abs(here.offset - ahead)).toBeLessThanOrEqual(here.uncertainty + rounding);
        if (there.uncertainty < Infinity)
          expect(Math.abs(there.offset + ahead)).toBeLessThanOrEqual(there.uncertainty + rounding);
      }),
    );
  });

  it('is 0 as long as no heartbeat has come back', () => {
    const clock = new PeerClock();
    expect(clock.read([epoch + 1000, 0, 0], epoch)).toBe(true);
    expect(clock.offset).toBe(0);
    expect(clock.uncertainty).toBe(Infinity);
  });

  it('starts over when a clock has jumped', () => {
    const clock = new PeerClock();
    let at = epoch;
    for (let k = 0; k < 5; k++) at = roundTrip(clock, at, { there: 0.1, back: 0.1, wait: 0, ahead: 10 });
    roundTrip(clock, at, { there: 3, back: 3, wait: 0, ahead: 60_000 });
    expect(clock.offset).toBeCloseTo(60_000, 2);
  });

  it('follows a drifting clock: newer round trips replace old ones, even when they are longer', () => {
    const clock = new PeerClock();
    let at = epoch;
    const ahead = (): number => (at - epoch) * 50e-6;
    roundTrip(clock, at, { there: 0, back: 0, wait: 0, ahead: 0 });
    for (let k = 0; k < 600; k++) {
      at += 1000;
      roundTrip(clock, at, { there: 0.2, back: 0.3, wait: 0, ahead: ahead() });
    }
    expect(Math.abs(clock.offset - ahead())).toBeLessThan(0.5);
  });

  it.each([
    ['came before it left', (at: number) => [at, at + 5000, at]],
    ['is no number', () => [Number.NaN, epoch, Number.NaN]],
    ['never ended', (at: number) => [at, 1, Infinity]],
  ] as const)('is not changed by a heartbeat that %s', (_name, says) => {
    const clock = new PeerClock();
    const at = roundTrip(clock, epoch, { there: 1, back: 1, wait: 0, ahead: 42 });
    clock.read(says(at) as unknown as [number, number, number], at + 1);
    expect(clock.offset).toBeCloseTo(42, 2);
  });

  it('is asked for in quick succession until enough is known, and then no more, even without a useful answer', () => {
    const clock = new PeerClock();
    let asked = 0;
    for (let k = 1; k <= 100; k++) if (clock.read([epoch + k, epoch + k + 5000, epoch], epoch + k)) asked++;
    expect(asked).toBeLessThan(10);
  });
});
