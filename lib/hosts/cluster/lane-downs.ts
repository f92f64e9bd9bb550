/**
 * How often each lane of a host has gone down, as both ends of a connection count it: the host as it tells so, its
 * guest as it hears so.
 */
export class LaneDowns {
  readonly #counts = new Map<string, number>();

  of(node: string, lane: number): number {
    return this.#counts.get(`${lane} ${node}`) ?? 0;
  }

  add(node: string, lane: number): void {
    this.#counts.set(`${lane} ${node}`, this.of(node, lane) + 1);
  }
}
