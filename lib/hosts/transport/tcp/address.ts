/** Addresses of hosts: `host:port`, with brackets around a host that has colons itself. */
import { HandoffError } from '../../../core/errors.ts';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

const pattern = /^(?:\[(?<six>[\da-fA-F:.]{2,45}(?:%[\w.-]{1,30})?)\]|(?<name>[\w.-]{1,253})):(?<port>\d{1,5})$/;

/** Undefined when it is no address. */
export function parseAddress(address: string): HostAndPort | undefined {
  const groups = pattern.exec(address)?.groups;
  if (groups === undefined) return undefined;
  const port = Number(groups['port']);
  return port > 0 && port < 65536 ? { host: (groups['six'] ?? groups['name'])!, port } : undefined;
}

/** @throws `INVALID_OPTION` */
export function needAddress(address: string): HostAndPort {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new HandoffError('INVALID_OPTION', `'${address}' is no address of a host: expected 'host:port'`, { option: 'address' });
  return parsed;
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** Whether it stands for every address of this machine, and so is no place to dial. */
export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}
