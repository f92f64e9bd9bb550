/**
 * Addresses of hosts: `host:port`, with brackets around a host that contains colons; `unix:/path` for a Unix socket.
 */
import { HandoffError } from '../../../core/errors.ts';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** The form that `net.connect` takes. */
export type Endpoint = HostAndPort | { readonly path: string };

const pattern = /^(?:\[(?<six>[\da-fA-F:.]{2,45}(?:%[\w.-]{1,30})?)\]|(?<name>[\w.-]{1,253})):(?<port>\d{1,5})$/;

// Without commas, which separate addresses in lists; of a length that systems allow.
const unixPattern = /^unix:(?<path>\/[^\p{C}\p{Zl}\p{Zp},]{1,102})$/u;

/** The path of a Unix socket address; undefined for any other. */
export function unixPath(address: string): string | undefined {
  return unixPattern.exec(address)?.groups?.['path'];
}

/** Undefined when it is no address. */
export function parseAddress(address: string): Endpoint | undefined {
  const path = unixPath(address);
  if (path !== undefined) return { path };
  const groups = pattern.exec(address)?.groups;
  if (groups === undefined) return undefined;
  const port = Number(groups['port']);
  return port > 0 && port < 65536 ? { host: (groups['six'] ?? groups['name'])!, port } : undefined;
}

/** The machine of an address; `localhost` for a Unix socket; undefined when it is no address. */
export function machineOf(address: string): string | undefined {
  const endpoint = parseAddress(address);
  return endpoint === undefined ? undefined : 'host' in endpoint ? endpoint.host : 'localhost';
}

/** @throws `INVALID_OPTION` when it is no address */
export function needAddress(address: string): Endpoint {
  const parsed = parseAddress(address);
  if (parsed === undefined)
    throw new HandoffError(
      'INVALID_OPTION',
      `'${address}' is not a valid host address: expected 'host:port' or 'unix:/path'`,
      { option: 'address' },
    );
  return parsed;
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Whether it means every address of this machine, so that it cannot be dialled. */
export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}
