/**
 * The subjects of a cluster at a message broker. The broker needs to allow its hosts no others.
 *
 * ```
 *   NAMESPACE.who               a new host asks which hosts there are
 *   NAMESPACE.up                a host announces itself
 *   NAMESPACE.host.TOKEN        requests for a connection with one host
 *   NAMESPACE.to.TOKEN.STREAM   one connection of that host
 * ```
 */
import type { Identity } from '../transport.ts';

const scheme = 'nats:';
const token = '[A-Za-z0-9_-]{1,100}';
const namespacePattern = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const addressPattern = new RegExp(`^${scheme}(${token})$`);
const maxNamespaceChars = 100;
const idPattern = /^[^\p{Cc}\s]{1,256}$/u;

export function isNamespace(text: string): boolean {
  return text.length <= maxNamespaceChars && namespacePattern.test(text);
}

/** The token of a host at the broker; undefined when it is the address of no such host. */
export function tokenOf(address: string): string | undefined {
  return addressPattern.exec(address)?.[1];
}

export function addressOf(host: string): string {
  return `${scheme}${host}`;
}

export class Subjects {
  readonly who: string;
  readonly up: string;
  /** The requests for a connection with this host. */
  readonly door: string;
  /** All connections of this host. */
  readonly streams: string;
  readonly #namespace: string;
  readonly #own: string;
  readonly #stream: RegExp;

  /** @param host the token of this host */
  constructor(namespace: string, host: string) {
    this.#namespace = namespace;
    this.#own = `${namespace}.to.${host}.`;
    this.#stream = new RegExp(`^${namespace.replaceAll('.', String.raw`\.`)}${String.raw`\.to\.`}${token}\\.${token}$`);
    this.who = `${namespace}.who`;
    this.up = `${namespace}.up`;
    this.door = this.doorOf(host);
    this.streams = `${this.#own}*`;
  }

  doorOf(host: string): string {
    return `${this.#namespace}.host.${host}`;
  }

  /** The subject of one connection of this host. */
  stream(id: string): string {
    return this.#own + id;
  }

  /** The connection of this host that a message is for. */
  idOf(subject: string): string {
    return subject.slice(this.#own.length);
  }

  /** Whether it is a connection of some host. Answers are sent nowhere else, because anyone can name any subject. */
  isStream(subject: string): boolean {
    return this.#stream.test(subject);
  }
}

/** What a host says about itself before anything is proven: enough to connect with it. */
export function announcementOf({ id, address }: Identity): string {
  return `handoff ${address} ${id}`;
}

/** `id address` of the host; undefined when it is no announcement. */
export function announced(text: string): string | undefined {
  const [word, address, id, ...more] = text.split(' ');
  if (word !== 'handoff' || address === undefined || id === undefined || more.length > 0) return undefined;
  return tokenOf(address) === undefined || !idPattern.test(id) ? undefined : `${id} ${address}`;
}
