/** Flags that several commands share. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { isNatsUrl, natsOfTransport } from '../../journal/nats/options.ts';
import { isPostgresUrl } from '../../journal/postgres/options.ts';
import type {
  NatsJournalOptions,
  PostgresJournalOptions,
  SqliteJournalOptions,
} from '../../runtime/options/journal-options.ts';
import type { NodeOptions } from '../../runtime/options/handoff-options.ts';
import type { TcpTransportOptions } from '../../runtime/options/transport-options.ts';
import { parseAddress, unixPath } from '../../hosts/transport/tcp/address.ts';
import { UsageError } from '../exit.ts';
import { defaultNode, parseCapabilities, parseNodes } from './nodes.ts';

/** Flags that say how to reach other hosts. */
export interface ClusterFlags {
  readonly listen?: string;
  readonly join?: readonly string[];
  readonly advertise?: string;
  readonly secretFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly root?: string;
  /** NATS servers. */
  readonly nats?: readonly string[];
  readonly natsNamespace?: string;
  readonly natsUser?: string;
  readonly natsPassFile?: string;
  readonly natsTokenFile?: string;
  readonly natsNkey?: string;
  readonly natsCreds?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
}

/** The folder of the cache of `run --cache`, where nothing else names one. */
export const defaultCacheDir = '.handoff';

export interface HandoffFlags extends ClusterFlags {
  readonly config?: string;
  readonly nodes?: string;
  readonly name?: string;
  readonly capabilities?: string;
  readonly strategy?: string;
  readonly costModel?: string;
  readonly allowSource?: boolean;
  /** The folder of the journal, or the URL of its database. */
  readonly journal?: string;
  /** The folder of the cache. */
  readonly cacheDir?: string;
  /** Whether a run uses the cache; false: not at all. */
  readonly cache?: boolean;
  /** A port, or true for the default port. */
  readonly dashboard?: string | boolean;
}

/**
 * The nodes that flags describe.
 *
 * @returns undefined if no flag describes a node
 * @throws `UsageError` if flags contradict each other or cannot be parsed
 */
export function nodesOf({ nodes, name, capabilities }: HandoffFlags): NodeOptions[] | undefined {
  if (nodes !== undefined && (name !== undefined || capabilities !== undefined))
    throw new UsageError('--nodes describes several nodes, --name and --capabilities describe one. Give either.');
  if (nodes !== undefined) return parseNodes(nodes);
  if (name === undefined && capabilities === undefined) return undefined;
  if (name === '') throw new UsageError('--name is empty. Name the node, such as --name a.');
  return [
    {
      ...defaultNode(),
      ...(name !== undefined && { name }),
      ...(capabilities !== undefined && parseCapabilities(capabilities)),
    },
  ];
}

/**
 * Transport options from flags.
 *
 * @throws `UsageError` if an address is invalid, a file cannot be read, or TLS flags are missing
 */
export function transportOf({
  listen,
  join,
  advertise,
  secretFile,
  tlsCert,
  tlsKey,
  tlsCa,
  root,
}: ClusterFlags): Partial<TcpTransportOptions> {
  return {
    ...(listen !== undefined && parseListen(listen)),
    ...(join !== undefined && { join: join.flatMap((each) => each.split(',')).map(checkAddress) }),
    ...(advertise !== undefined && { advertise }),
    ...(secretFile !== undefined && { secret: readSecret('--secret-file', secretFile) }),
    ...tlsOf({ '--tls-cert': tlsCert, '--tls-key': tlsKey, '--tls-ca': tlsCa }),
    ...(root !== undefined && { root: resolve(root) }),
  };
}

function parseListen(text: string): { host: string; port?: number } {
  if (unixPath(text) !== undefined) return { host: text };
  const [, six, name, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535)
    throw new UsageError(
      `--listen: ${JSON.stringify(text)} is not an address. Give HOST:PORT, such as 127.0.0.1:7420 (port 0 for any free port), or unix:/PATH.`,
    );
  return { host: (six ?? name)!, port };
}

function checkAddress(text: string): string {
  const address = text.trim();
  if (parseAddress(address) === undefined)
    throw new UsageError(
      `--join: ${JSON.stringify(text)} is not an address. Give HOST:PORT, such as 127.0.0.1:7420, or unix:/PATH.`,
    );
  return address;
}

export function readSecret(flag: string, file: string): string {
  const secret = readFile(flag, file).trim();
  if (secret === '')
    throw new UsageError(
      `${flag}: ${file} is empty. Put a long random text there, such as the output of openssl rand -hex 32.`,
    );
  return secret;
}

function tlsOf(
  files: Readonly<Record<'--tls-cert' | '--tls-key' | '--tls-ca', string | undefined>>,
): Pick<TcpTransportOptions, 'tls'> {
  checkTogether(files);
  const { '--tls-cert': cert, '--tls-key': key, '--tls-ca': ca } = files;
  if (cert === undefined || key === undefined || ca === undefined) return {};
  return { tls: { cert: readFile('--tls-cert', cert), key: readFile('--tls-key', key), ca: readFile('--tls-ca', ca) } };
}

/**
 * TLS needs all three files. Without this check, a missing one would silently turn TLS off.
 *
 * @throws `UsageError` naming the missing flags
 */
export function checkTogether(given: Readonly<Record<string, string | undefined>>): void {
  const missing = Object.keys(given).filter((name) => given[name] === undefined);
  if (missing.length > 0 && missing.length < Object.keys(given).length)
    throw new UsageError(
      `${Object.keys(given).join(', ')} go together: ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing.`,
    );
}

export function readFile(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${file} cannot be read: ${(error as Error).message}.`);
  }
}

/** Whether the flag `--journal` names a journal that hosts share, rather than a folder. */
export function isSharedJournal(journal: string): boolean {
  return isPostgresUrl(journal) || isNatsUrl(journal);
}

/** The journal of the flag `--journal`. */
export function journalOf(journal: string): SqliteJournalOptions | PostgresJournalOptions | NatsJournalOptions {
  if (isPostgresUrl(journal)) return { type: 'postgres', url: journal };
  if (!isNatsUrl(journal)) return { type: 'sqlite', path: journal };
  return { type: 'nats', ...(journal !== natsOfTransport && { servers: journal.split(',') }) };
}
