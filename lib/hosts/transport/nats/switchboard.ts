/** The connections of one host through a broker: which message belongs to which, and how they begin. */
import { HandoffError } from '../../../core/errors.ts';
import { Refusal, refusedBy } from '../tcp/refusal.ts';
import type { Broker, BrokerMessage } from './broker.ts';
import { BrokerStream } from './broker-stream.ts';
import {
  decodeOpening,
  decodeRequest,
  encodeOpening,
  encodeRequest,
  Packet,
  packet,
  packetHead,
  packetVersion,
  readHead,
} from './packet.ts';
import type { Subjects } from './subjects.ts';

/**
 * Bytes that a host takes of a connection before it has read any. All connections of a host together must stay below
 * what a server holds for one client (64 MiB by default). It is also the limit of speed: a window per round trip.
 */
const windowBytes = 1024 * 1024;
/** The largest body of a message. Longer ones would delay those of other connections. */
const maxBodyBytes = 512 * 1024;
/** The smallest window of another host: with a smaller one, nearly nothing could be sent. */
const minWindowBytes = 1024;

export interface SwitchboardOptions {
  readonly broker: Broker;
  readonly subjects: Subjects;
  readonly hasSecret: boolean;
  /** Takes a connection that another host has requested. It is not proven yet. */
  readonly accepted: (stream: BrokerStream) => void;
  /** A request was refused. */
  readonly refused: (error: HandoffError) => void;
}

export class Switchboard {
  readonly #options: SwitchboardOptions;
  readonly #streams = new Map<string, BrokerStream>();
  #last = 0;

  constructor(options: SwitchboardOptions) {
    this.#options = options;
  }

  /**
   * Requests a connection.
   *
   * @param door the subject of the other host's requests
   * @param peerName the other host's name in errors
   * @throws `NODE_DOWN` when no host answers; `UNAUTHORIZED` when one of both has a secret; `VERSION_MISMATCH` when the
   *   other host speaks another version; the reason of the signal
   */
  async open(door: string, peerName: string, signal: AbortSignal): Promise<BrokerStream> {
    signal.throwIfAborted();
    const { broker, hasSecret } = this.#options;
    const opened = Promise.withResolvers<void>();
    const { stream, subject, reach } = this.#add((kind, body, from) => {
      try {
        stream.open(readAnswer(kind, body, hasSecret, peerName));
        reach(from);
        opened.resolve();
      } catch (error) {
        opened.reject(error);
      }
    });
    const fail = (error: Error): void =>
      opened.reject(
        new HandoffError('NODE_DOWN', `no host answers at ${peerName}: ${error.message}`, { cause: error }),
      );
    const abort = (): void => opened.reject(signal.reason);
    stream.on('error', fail);
    signal.addEventListener('abort', abort);
    broker.publish(door, encodeRequest({ version: packetVersion, hasSecret, window: windowBytes }), subject);
    try {
      await opened.promise;
      return stream;
    } catch (error) {
      stream.on('error', () => undefined).destroy();
      throw error;
    } finally {
      stream.off('error', fail);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Takes a request of another host for a connection. */
  request({ data, reply }: BrokerMessage): void {
    const { broker, subjects, hasSecret, refused } = this.#options;
    const request = decodeRequest(data);
    if (request === undefined || reply === undefined || !subjects.isStream(reply)) return;
    const refuse = (refusal: number, error: HandoffError): void => {
      broker.publish(reply, packet(Packet.refuse, 0, Uint8Array.of(packetVersion, refusal)));
      refused(error);
    };
    const { version, window } = request;
    if (version !== packetVersion) return refuse(Refusal.none, otherVersion(`the host at ${reply}`, version));
    if (request.hasSecret !== hasSecret)
      return refuse(
        hasSecret ? Refusal.secretMissing : Refusal.secretUnknown,
        new HandoffError(
          'UNAUTHORIZED',
          `the host at ${reply} has ${hasSecret ? 'no secret, but this host has one' : 'a secret, but this host has none'}. Give both the same secret`,
        ),
      );
    if (window < minWindowBytes) return;
    const { stream, reach } = this.#add(undefined);
    reach(reply);
    stream.send(Packet.accept, encodeOpening({ version: packetVersion, hasSecret, window: windowBytes }));
    stream.open(window);
    this.#options.accepted(stream);
  }

  /** Takes a message of a connection. */
  message({ subject, reply, data, isUndelivered }: BrokerMessage): void {
    const { subjects, broker } = this.#options;
    const stream = this.#streams.get(subjects.idOf(subject));
    if (isUndelivered) return void stream?.destroy(new Error('the other host is no longer connected with the broker'));
    const head = readHead(data);
    if (head === undefined) return;
    if (stream !== undefined) {
      this.#from = reply;
      return stream.arrive(head.kind, head.number, data.subarray(packetHead));
    }
    // The other side does not know yet that this connection has ended here.
    if (head.kind !== Packet.reset && reply !== undefined && subjects.isStream(reply))
      broker.publish(reply, packet(Packet.reset, 0));
  }

  /** Where the current message says it is from. */
  #from: string | undefined;

  /** Ends all connections. */
  end(error: Error): void {
    for (const stream of this.#streams.values()) stream.destroy(error);
  }

  #add(answered: ((kind: number, body: Uint8Array, from: string | undefined) => void) | undefined): {
    readonly stream: BrokerStream;
    /** Its subject. */
    readonly subject: string;
    /** Sets the subject of the other side. */
    readonly reach: (other: string | undefined) => void;
  } {
    const { broker, subjects } = this.#options;
    const id = (++this.#last).toString(36);
    const subject = subjects.stream(id);
    let to: string | undefined;
    const stream = new BrokerStream({
      window: windowBytes,
      maxBodyBytes: Math.min(maxBodyBytes, broker.maxPayloadBytes - packetHead),
      publish: (message) => {
        if (to !== undefined) broker.publish(to, message, subject);
      },
      ...(answered !== undefined && {
        answered: (kind: number, body: Uint8Array) => answered(kind, body, this.#from),
      }),
      closed: () => this.#streams.delete(id),
    });
    this.#streams.set(id, stream);
    return {
      stream,
      subject,
      reach: (other) => {
        if (other !== undefined && subjects.isStream(other)) to = other;
      },
    };
  }
}

/** @returns the window of the other host */
function readAnswer(kind: number, body: Uint8Array, hasSecret: boolean, peerName: string): number {
  const version = body[0];
  if (version !== undefined && version !== packetVersion) throw otherVersion(peerName, version);
  if (kind === Packet.refuse) throw refusedBy(peerName, body[1] ?? Refusal.other);
  const opening = decodeOpening(body);
  if (opening === undefined || opening.window < minWindowBytes || opening.hasSecret !== hasSecret)
    throw new HandoffError(
      'PROTOCOL_ERROR',
      `${peerName} sent an answer that is not valid. Install the same version of handoffjs on both hosts`,
    );
  return opening.window;
}

function otherVersion(peerName: string, version: number): HandoffError {
  const versions = `speaks version ${version} of the messages through a broker, this host version ${packetVersion}`;
  return new HandoffError('VERSION_MISMATCH', `${peerName} ${versions}. Install the same version of handoffjs on both`);
}
