/**
 * How far the clock of a peer is from this host's, as two hosts learn it from the times that their heartbeats carry:
 * NTP's estimate in its symmetric mode (RFC 5905).
 *
 * ```
 *   this host    t1 ─────╮                ╭────► t4       offset = ((t2 − t1) + (t3 − t4)) / 2
 *                         ╲              ╱                delay  =  (t4 − t1) − (t3 − t2)
 *   the peer               ╰──► t2 … t3 ╯                 the error is at most delay / 2, however the two ways differ
 * ```
 *
 * Reads no clock: times arrive, in ms, each by the clock of the host that saw it.
 */

/** What a heartbeat says: when it leaves, when that left which its sender heard last, and when that came to it. */
export type Heartbeat = readonly [leaves: number, heard: number, came: number];

interface Sample {
  readonly offset: number;
  readonly delay: number;
  /** When it was taken. */
  readonly at: number;
}

// As RFC 5905 has it, eight samples are enough to find one that nothing held up.
const window = 8;
// How fast two clocks may drift apart, in ms per ms: a sample is the less sure the older it is.
const drift = 100e-6;
// Times near 2^41 ms are told in steps of so much.
const rounding = 0.001;

export class PeerClock {
  readonly #samples: Sample[] = [];
  #heard: { readonly left: number; readonly came: number } | undefined;
  #best: Sample | undefined;
  #taken = 0;

  /** ms to take off a time by the peer's clock to have it by this host's; 0 as long as nothing is known. */
  get offset(): number {
    return this.#best?.offset ?? 0;
  }

  /** The most by which `offset` was wrong when it was last estimated, in ms, if the clocks drift as clocks may. */
  get uncertainty(): number {
    const newest = this.#samples.at(-1);
    return newest === undefined ? Infinity : bound(this.#best!, newest.at);
  }

  /** What a heartbeat says that leaves now. */
  say(now: number): Heartbeat {
    return [now, this.#heard?.left ?? 0, this.#heard?.came ?? 0];
  }

  /**
   * Takes in a heartbeat of the peer.
   *
   * @returns whether to answer at once, as little is known yet
   */
  hear([leaves, heard, came]: Heartbeat, now: number): boolean {
    this.#heard = { left: leaves, came: now };
    if (heard > 0) this.#take(heard, came, leaves, now);
    return this.#taken < window;
  }

  #take(t1: number, t2: number, t3: number, t4: number): void {
    const delay = t4 - t1 - (t3 - t2);
    this.#taken++;
    if (!(delay > -rounding && delay < Infinity)) return; // a clock has jumped meanwhile, or this is no time at all
    const sample: Sample = { offset: (t2 - t1 + (t3 - t4)) / 2, delay: Math.max(0, delay), at: t4 };
    const agreeing = this.#samples.filter(
      (each) => Math.abs(each.offset - sample.offset) <= bound(each, t4) + bound(sample, t4) + rounding,
    );
    // What cannot be true beside the newest was before a clock jumped.
    this.#samples.splice(0, Infinity, ...agreeing.slice(1 - window), sample);
    this.#best = this.#samples.reduce((best, each) => (bound(each, t4) <= bound(best, t4) ? each : best));
  }
}

/** How wrong a sample may be. */
function bound({ delay, at }: Sample, now: number): number {
  return delay / 2 + drift * Math.max(0, now - at);
}
