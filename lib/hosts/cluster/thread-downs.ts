/**
 * How many times each thread of a host has gone down, as both ends of a connection count it: the host when it reports a
 * failure, the remote scheduler when it receives the report.
 */
export class ThreadDowns {
  readonly #counts = new Map<string, number>();

  of(node: string, thread: number): number {
    return this.#counts.get(`${thread} ${node}`) ?? 0;
  }

  add(node: string, thread: number): void {
    this.#counts.set(`${thread} ${node}`, this.of(node, thread) + 1);
  }
}
