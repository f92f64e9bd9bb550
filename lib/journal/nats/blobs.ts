/**
 * Large results, and long chunks, by the hash of their bytes, in parts. They stay as long as a run uses them.
 *
 * A blob is there once its head is: the head is written last. Who begins to use one writes that first and then the head
 * again; so a head that has not changed since the uses were read belongs to a blob without a use.
 */
import { createHash } from 'node:crypto';
import type { MsgHdrs } from '@nats-io/transport-node';
import { lastTokenOf, type Names, tokenOf } from './names.ts';
import type { Seal } from './seal.ts';
import type { Servers } from './servers.ts';

const partsHeader = 'Handoff-Parts';
/** Parts that travel at the same time. */
const window = 4;
const empty = new Uint8Array();

/** A run that uses a blob. */
export interface BlobUser {
  readonly runId: string;
  readonly submittedAt: number;
}

export class Blobs {
  readonly #servers: Servers;
  readonly #names: Names;
  readonly #seal: Seal;

  constructor(servers: Servers, names: Names, seal: Seal) {
    this.#servers = servers;
    this.#names = names;
    this.#seal = seal;
  }

  async put({ runId, submittedAt }: BlobUser, hash: string, bytes: Uint8Array): Promise<void> {
    await this.#write(this.#names.use(tokenOf(runId), submittedAt, hash), empty);
    const size = this.#servers.maxBodyBytes - 64; // a seal makes a part longer
    const count = Math.max(1, Math.ceil(bytes.length / size));
    for (;;) {
      const head = await this.#head(hash);
      if (head.parts === 0)
        await eachOf(count, (part) =>
          this.#write(
            this.#names.part(hash, part),
            this.#seal.close(`${hash} ${part}`, bytes.subarray(part * size, (part + 1) * size)),
          ),
        );
      const parts = head.parts === 0 ? count : head.parts;
      if (await this.#writeHead(hash, parts, head.sequence)) return;
    }
  }

  /** Keeps bytes under their hash, and returns it. */
  async putUnnamed(user: BlobUser, bytes: Uint8Array): Promise<string> {
    const hash = hashOf(bytes);
    await this.put(user, hash, bytes);
    return hash;
  }

  /** Undefined when the bytes are gone or damaged. */
  async get(hash: string): Promise<Uint8Array | undefined> {
    const head = await this.#head(hash);
    if (head.parts === 0) return undefined;
    const parts = await eachOf(head.parts, async (part) => {
      const body = await this.#servers.body(this.#names.blobs, this.#names.part(hash, part));
      return body && this.#seal.open(`${hash} ${part}`, body);
    });
    if (!parts.every((part) => part !== undefined)) return undefined;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return hashOf(bytes) === hash ? bytes : undefined;
  }

  /** The run needs its blobs no longer. */
  async release({ runId, submittedAt }: BlobUser): Promise<void> {
    const end = (await this.#servers.lastSequence(this.#names.blobs)) + 1;
    await this.#servers.delete(this.#names.blobs, this.#names.use(tokenOf(runId), submittedAt, '*'), end);
  }

  /** Deletes the blobs that no run uses. */
  async deleteUnused(): Promise<void> {
    const hashes = (await this.#servers.subjects(this.#names.blobs, this.#names.heads)).map(hashOfHead);
    if (hashes.length === 0) return;
    const heads = new Map<string, Head>();
    await eachOf(hashes.length, async (i) => void heads.set(hashes[i]!, await this.#head(hashes[i]!)));
    const used = new Set((await this.#servers.subjects(this.#names.blobs, this.#names.uses)).map(lastTokenOf));
    for (const [hash, { parts, sequence }] of heads) {
      if (used.has(hash)) continue;
      if (parts > 0 && !(await this.#writeHead(hash, 0, sequence))) continue; // it is used again
      // Parts that another process has written since are newer than the head.
      await this.#servers.delete(this.#names.blobs, this.#names.part(hash, '*'), sequence + 1);
    }
  }

  /** @returns false when another process has written it in the meantime */
  async #writeHead(hash: string, parts: number, after: number): Promise<boolean> {
    const options = { headers: { [partsHeader]: String(parts) }, expected: after };
    return (await this.#servers.write(this.#names.blobs, this.#names.head(hash), empty, options)) !== undefined;
  }

  async #write(subject: string, body: Uint8Array): Promise<void> {
    await this.#servers.write(this.#names.blobs, subject, body);
  }

  async #head(hash: string): Promise<Head> {
    const message = await this.#servers.last(this.#names.blobs, this.#names.head(hash));
    return message === undefined
      ? { parts: 0, sequence: 0 }
      : { parts: partsOf(message.header), sequence: message.seq };
  }
}

interface Head {
  /** 0: the blob is not there. */
  readonly parts: number;
  readonly sequence: number;
}

function partsOf(headers: MsgHdrs): number {
  const parts = Number(headers.get(partsHeader));
  return Number.isSafeInteger(parts) && parts > 0 ? parts : 0;
}

/** `PREFIX.HASH.head` */
function hashOfHead(subject: string): string {
  return lastTokenOf(subject.slice(0, subject.lastIndexOf('.')));
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Some at a time. */
async function eachOf<Value>(count: number, work: (i: number) => Promise<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for (let from = 0; from < count; from += window)
    values.push(
      ...(await Promise.all(Array.from({ length: Math.min(window, count - from) }, (_, i) => work(from + i)))),
    );
  return values;
}
