/**
 * PURE: who may ask the dashboard for what. Pages of other sites can make a browser send requests here, and a name of theirs can be made to
 * point here (DNS rebinding): both are refused, whether there is a token or not.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../hosts/transport/tcp/address.ts';

export interface Door {
  /** The host that it listens on, as it was given. */
  readonly host: string;
  /** Undefined: whoever reaches it may come in. */
  readonly token: string | undefined;
  /** Other names under which this machine is known. */
  readonly names: readonly string[];
}

export interface Visit {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export type Verdict =
  | { readonly kind: 'enter' }
  | { readonly kind: 'refuse'; readonly status: 401 | 403; readonly text: string }
  /** The token was right: it goes into a cookie, so that it need not stay in the address. */
  | { readonly kind: 'welcome'; readonly cookie: string };

// The same for all ports of a host, which share cookies: each has a cookie of its own.
const cookieName = 'handoff';

/** @param port that it listens on */
export function judge({ host, token, names }: Door, port: number, { method, path, query, headers }: Visit): Verdict {
  const asked = headerOf(headers, 'host');
  const name = nameOf(asked);
  if (name === undefined || !isOurs(name, host, names)) {
    return { kind: 'refuse', status: 403, text: `This dashboard is not known as ${JSON.stringify(asked ?? '')}. Open it under the address that it was told to listen on.` };
  }
  const origin = headerOf(headers, 'origin');
  if (origin !== undefined && !['http', 'https'].some((scheme) => origin === `${scheme}://${asked}`)) return { kind: 'refuse', status: 403, text: 'Pages of other sites may not ask this dashboard.' };
  const site = headerOf(headers, 'sec-fetch-site');
  // A link from elsewhere may lead to the page, which shows it to whoever followed the link and to nobody else.
  const isLink = path === '/' && method === 'GET' && headerOf(headers, 'sec-fetch-mode') === 'navigate' && headerOf(headers, 'sec-fetch-dest') === 'document';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink) return { kind: 'refuse', status: 403, text: 'Pages of other sites may not ask this dashboard.' };
  if (method === 'POST' && headerOf(headers, 'x-handoff') !== '1') return { kind: 'refuse', status: 403, text: 'The header x-handoff: 1 is missing.' };
  if (token === undefined) return { kind: 'enter' };
  const given = query.get('token');
  if (path === '/' && method === 'GET' && given !== null && isSame(given, token)) return { kind: 'welcome', cookie: `${cookieName}-${port}=${passOf(token)}; Path=/; HttpOnly; SameSite=Strict` };
  const [scheme, bearer = ''] = (headerOf(headers, 'authorization') ?? '').split(' ');
  if (scheme?.toLowerCase() === 'bearer' && isSame(bearer, token)) return { kind: 'enter' };
  const pass = cookieOf(headerOf(headers, 'cookie') ?? '', `${cookieName}-${port}`);
  if (pass !== undefined && isSame(pass, passOf(token))) return { kind: 'enter' };
  return { kind: 'refuse', status: 401, text: 'A token is needed: open /?token=… once, or send the header Authorization: Bearer …' };
}

/** What the cookie holds: not the token, as whatever else listens on another port of this host is sent the cookie, too. */
function passOf(token: string): string {
  return createHmac('sha256', token).update('handoff dashboard').digest('base64url');
}

/** Takes as long whether they differ early, late or not at all. */
function isSame(given: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

function headerOf(headers: Visit['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The host of a `Host` header, without the port, brackets and case. */
function nameOf(header: string | undefined): string | undefined {
  const [, six, name] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return (six ?? name)?.toLowerCase();
}

function isOurs(name: string, host: string, names: readonly string[]): boolean {
  if (isLoopback(name) || name === host.toLowerCase()) return true;
  // An address cannot be made to point here by somebody else, as a name can.
  return !isLoopback(host) && (/^[\d.]+$/.test(name) || name.includes(':') || names.some((each) => each.toLowerCase() === name));
}

function cookieOf(header: string, name: string): string | undefined {
  const cookies = header.split(';').map((each) => each.trim());
  return cookies.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}
