/**
 * Estimates the difference between a peer's clock and this host's, from the times in their heartbeats: NTP's estimate
 * in symmetric mode (RFC 5905).
 *
 * ```
 *   this host    t1 ─────╮                ╭────► t4       offset = ((t2 − t1) + (t3 − t4)) / 2
 *                         ╲              ╱                delay  =  (t4 − t1) − (t3 − t2)
 *   the peer               ╰──► t2 … t3 ╯                 the error is at most delay / 2, however the two ways differ
 * ```
 *
 * Reads no clock: the caller passes times, in ms, each by the clock of the host that took it.
 */

/** When a heartbeat leaves; when the last heartbeat its sender received had left; and when that one arrived. */
export type Heartbeat = readonly [leaves: number, heard: number, came: number];

interface Sample {
  readonly offset: number;
  readonly delay: number;
  /** When it was taken. */
  readonly at: number;
}

// Eight samples, as in RFC 5905: enough to contain one without delays.
const maxSamples = 8;
// The maximum drift between two clocks, in ms per ms: a sample becomes less certain with age.
const maxDrift = 100e-6;
// The resolution of times near 2^41 ms.
const resolutionMs = 0.001;

export class PeerClock {
  readonly #samples: Sample[] = [];
  #received: { readonly left: number; readonly arrived: number } | undefined;
  #best: Sample | undefined;
  #taken = 0;

  /** ms to subtract from a time of the peer's clock to get this host's; 0 while unknown. */
  get offset(): number {
    return this.#best?.offset ?? 0;
  }

  /** The maximum error of `offset` at its last estimate, in ms, assuming normal drift. */
  get uncertainty(): number {
    const newest = this.#samples.at(-1);
    return newest === undefined ? Infinity : bound(this.#best!, newest.at);
  }

  /** A heartbeat that leaves now. */
  write(now: number): Heartbeat {
    return [now, this.#received?.left ?? 0, this.#received?.arrived ?? 0];
  }

  /**
   * Processes a heartbeat of the peer.
   *
   * @returns whether to answer at once, because there are too few samples yet
   */
  read([leaves, left, came]: Heartbeat, now: number): boolean {
    this.#received = { left: leaves, arrived: now };
    if (left > 0) this.#take(left, came, leaves, now);
    return this.#taken < maxSamples;
  }

  #take(t1: number, t2: number, t3: number, t4: number): void {
    const delay = t4 - t1 - (t3 - t2);
    this.#taken++;
    if (!(delay > -resolutionMs && delay < Infinity)) return; // a clock has jumped meanwhile, or a time is not valid
    const sample: Sample = { offset: (t2 - t1 + (t3 - t4)) / 2, delay: Math.max(0, delay), at: t4 };
    const agreeing = this.#samples.filter(
      (each) => Math.abs(each.offset - sample.offset) <= bound(each, t4) + bound(sample, t4) + resolutionMs,
    );
    // A sample that contradicts the newest was taken before a clock jumped.
    this.#samples.splice(0, Infinity, ...agreeing.slice(1 - maxSamples), sample);
    this.#best = this.#samples.reduce((best, each) => (bound(each, t4) <= bound(best, t4) ? each : best));
  }
}

/** The maximum error of a sample. */
function bound({ delay, at }: Sample, now: number): number {
  return delay / 2 + maxDrift * Math.max(0, now - at);
}
