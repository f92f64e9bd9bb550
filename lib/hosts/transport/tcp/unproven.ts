/**
 * Connections that are not proven yet. Their number is limited, and a new one always finds room: of the address with
 * the most connections, the oldest silent one is closed, while more than a quarter is silent; then the oldest that has
 * spoken; last, one that passed TLS. So unknown clients displace each other but no real host, which speaks at once and
 * shows with its first bytes that it knows the secret.
 */

export interface Unproven {
  /** It has sent data. */
  speaks(): void;
  /** Its data proves that it knows the secret. */
  vouched(): void;
  /** It is proven or gone. */
  forget(): void;
}

interface Entry {
  readonly from: string;
  readonly close: () => void;
}

/** The connections of an address by progress: silent, speaking, vouched. */
type Group = readonly [Set<Entry>, Set<Entry>, Set<Entry>];

export class UnprovenConnections {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #groups = new Map<string, Group>();
  #size = 0;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * @param from its address; undefined for a Unix socket
   * @param close ends the connection. Called when it has to make room; no `forget` is needed then
   */
  add(from: string | undefined, close: () => void): Unproven {
    const entry: Entry = { from: networkOf(from), close };
    if (sizeOf(this.#groups.get(entry.from)) >= this.#maxPerAddress) this.#evict(entry.from);
    else if (this.#size >= this.#max) this.#evict(this.#fullest());
    let group = this.#groups.get(entry.from);
    if (group === undefined) this.#groups.set(entry.from, (group = [new Set(), new Set(), new Set()]));
    const [silent, speaking, vouched] = group;
    silent.add(entry);
    this.#size++;
    return {
      speaks: () => {
        if (silent.delete(entry)) speaking.add(entry);
      },
      vouched: () => {
        if (speaking.delete(entry)) vouched.add(entry);
      },
      forget: () => this.#forget(entry),
    };
  }

  /** Closes all of them. */
  clear(): void {
    for (const group of [...this.#groups.values()])
      for (const { close } of group.flatMap((stage) => [...stage])) close();
  }

  #forget(entry: Entry): void {
    const group = this.#groups.get(entry.from);
    if (group === undefined || !group.some((stage) => stage.delete(entry))) return;
    this.#size--;
    if (sizeOf(group) === 0) this.#groups.delete(entry.from);
  }

  #evict(from: string): void {
    const [entry] = oldestStage(this.#groups.get(from)!);
    this.#forget(entry!);
    entry!.close();
  }

  #fullest(): string {
    let fullest = '';
    let largest = 0;
    for (const [from, group] of this.#groups) {
      if (sizeOf(group) <= largest) continue;
      largest = sizeOf(group);
      fullest = from;
    }
    return fullest;
  }
}

function sizeOf(group: Group | undefined): number {
  return group === undefined ? 0 : group.reduce((sum, stage) => sum + stage.size, 0);
}

/** The connections from which one is closed. A quarter may be silent, so that a new one has the time to speak. */
function oldestStage(group: Group): Set<Entry> {
  const [silent, speaking, vouched] = group;
  if (silent.size > sizeOf(group) / 4) return silent;
  return [speaking, silent, vouched].find(({ size }) => size > 0)!;
}

/** The network that one party probably owns: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return 'unix';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('::') as [string, string | undefined];
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right].slice(0, 4).join(':');
}
