/**
 * The messages of one connection through a broker.
 *
 * ```
 *   kind u8 │ number u32 │ body             number: counts the messages of this direction, from 0
 *   open     'HOFN' │ version u8 │ flags u8 │ window u32       to the other host; it is not numbered
 *   accept   version u8 │ flags u8 │ window u32
 *   refuse   version u8 │ refusal u8
 *   data     bytes
 *   credit   f64: all bytes that were read so far. The sender may be one window ahead of it
 *   end      nothing follows
 *   reset    nothing follows, and what was sent may not have been read
 * ```
 */
export const Packet = { open: 1, accept: 2, refuse: 3, data: 4, credit: 5, end: 6, reset: 7 } as const;

export type PacketKind = (typeof Packet)[keyof typeof Packet];

/** The version of these messages. */
export const packetVersion = 1;

export const packetHead = 5;
/** Numbers start again at 0 after this many messages. */
export const numbers = 2 ** 32;

const magic = Buffer.from('HOFN', 'latin1');
const withSecret = 1;
const openingBytes = 6;

/** What both sides say about a connection before anything is proven. */
export interface Opening {
  readonly version: number;
  /** Whether the host requires the proof of a secret. The proof itself follows on the connection. */
  readonly hasSecret: boolean;
  /** The bytes that the host takes before it has read any. */
  readonly window: number;
}

export function writeHead(into: Uint8Array, kind: PacketKind, number: number): void {
  into[0] = kind;
  into[1] = number >>> 24;
  into[2] = number >>> 16;
  into[3] = number >>> 8;
  into[4] = number;
}

/** Undefined when it is no packet. */
export function readHead(bytes: Uint8Array): { readonly kind: number; readonly number: number } | undefined {
  if (bytes.byteLength < packetHead) return undefined;
  const number = bytes[1]! * 0x1000000 + (bytes[2]! << 16) + (bytes[3]! << 8) + bytes[4]!;
  return { kind: bytes[0]!, number };
}

export function packet(kind: PacketKind, number: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = Buffer.allocUnsafe(packetHead + body.byteLength);
  writeHead(bytes, kind, number);
  bytes.set(body, packetHead);
  return bytes;
}

export function encodeOpening({ version, hasSecret, window }: Opening): Buffer {
  const bytes = Buffer.alloc(openingBytes);
  bytes[0] = version;
  bytes[1] = hasSecret ? withSecret : 0;
  bytes.writeUInt32BE(window, 2);
  return bytes;
}

/** Undefined when it is malformed. */
export function decodeOpening(body: Uint8Array): Opening | undefined {
  if (body.byteLength < openingBytes) return undefined;
  const bytes = Buffer.from(body.buffer, body.byteOffset, openingBytes);
  return { version: bytes[0]!, hasSecret: (bytes[1]! & withSecret) !== 0, window: bytes.readUInt32BE(2) };
}

export function encodeRequest(opening: Opening): Uint8Array {
  return packet(Packet.open, 0, Buffer.concat([magic, encodeOpening(opening)]));
}

/** Undefined when it is no request for a connection. */
export function decodeRequest(bytes: Uint8Array): Opening | undefined {
  if (readHead(bytes)?.kind !== Packet.open) return undefined;
  const body = bytes.subarray(packetHead);
  if (!magic.equals(body.subarray(0, magic.length))) return undefined;
  return decodeOpening(body.subarray(magic.length));
}

export function encodeCredit(bytes: number): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeDoubleBE(bytes);
  return body;
}

/** Undefined when it is no number of bytes. */
export function decodeCredit(body: Uint8Array): number | undefined {
  if (body.byteLength !== 8) return undefined;
  const bytes = Buffer.from(body.buffer, body.byteOffset, 8).readDoubleBE();
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}
