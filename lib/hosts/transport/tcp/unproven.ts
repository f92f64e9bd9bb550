/**
 * Connections that have not proved themselves yet. There are never more than allowed, and a new one always finds room:
 * the oldest that has said nothing gives way, of the address that has most of them; then the oldest that has said
 * something, and last one that TLS has let through. So strangers push out each other, and no member: it speaks as soon
 * as it is connected, and its first words show that it knows the secret.
 */

export interface Unproven {
  /** It has said something. */
  heard(): void;
  /** What it has said is what only a member can say. */
  vouched(): void;
  /** It has proved itself, or is gone. */
  forget(): void;
}

interface Entry {
  readonly from: string;
  readonly close: () => void;
}

/** The connections of an address, by how far they are: silent, speaking, vouched for. */
type Group = readonly [Set<Entry>, Set<Entry>, Set<Entry>];

export class UnprovenConnections {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #groups = new Map<string, Group>();
  #size = 0;

  constructor(most: number, mostPerAddress: number) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * @param from its address, undefined for a Unix socket
   * @param close ends it. Called when it has to give way; nothing else need be done then
   */
  add(from: string | undefined, close: () => void): Unproven {
    const entry: Entry = { from: networkOf(from), close };
    if (sizeOf(this.#groups.get(entry.from)) >= this.#mostPerAddress) this.#evict(entry.from);
    else if (this.#size >= this.#most) this.#evict(this.#fullest());
    let group = this.#groups.get(entry.from);
    if (group === undefined) this.#groups.set(entry.from, (group = [new Set(), new Set(), new Set()]));
    const [silent, speaking, vouched] = group;
    silent.add(entry);
    this.#size++;
    return {
      heard: () => {
        if (silent.delete(entry)) speaking.add(entry);
      },
      vouched: () => {
        if (speaking.delete(entry)) vouched.add(entry);
      },
      forget: () => this.#forget(entry),
    };
  }

  /** Ends them all. */
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
    const [entry] = this.#groups.get(from)!.find((stage) => stage.size > 0)!;
    this.#forget(entry!);
    entry!.close();
  }

  #fullest(): string {
    let fullest = '';
    let most = 0;
    for (const [from, group] of this.#groups) {
      if (sizeOf(group) <= most) continue;
      most = sizeOf(group);
      fullest = from;
    }
    return fullest;
  }
}

function sizeOf(group: Group | undefined): number {
  return group === undefined ? 0 : group.reduce((sum, stage) => sum + stage.size, 0);
}

/** What one party is likely to have to itself: an IPv4 address, the first 64 bits of one of IPv6. */
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
