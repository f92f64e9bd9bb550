/**
 * PURE: decides which requests the dashboard accepts. Other sites can make a browser send requests here, and can point
 * a name of theirs at this machine (DNS rebinding). Both are refused, with or without a token.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../hosts/transport/tcp/address.ts';

export interface Door {
  /** The host that the dashboard listens on, as configured. */
  readonly host: string;
  /** Undefined: no token is needed. */
  readonly token: string | undefined;
  /** Other names of this machine. */
  readonly names: readonly string[];
}

export interface Visit {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export type Access =
  | { readonly kind: 'enter' }
  | { readonly kind: 'refuse'; readonly status: 401 | 403; readonly text: string }
  /** The token is right. It moves into a cookie, so that it need not stay in the address. */
  | { readonly kind: 'welcome'; readonly cookie: string };

// All ports of a host share cookies, so the port becomes part of the name.
const cookieName = 'handoff';

/** @param port that the dashboard listens on */
export function checkAccess(door: Door, port: number, visit: Visit): Access {
  return refusalOfOrigin(door, visit) ?? checkToken(door.token, port, visit);
}

/** Refuses foreign names of this machine and requests that another site caused; undefined if the request passes. */
function refusalOfOrigin({ host, names }: Door, { method, path, headers }: Visit): Access | undefined {
  const asked = headerOf(headers, 'host');
  const name = nameOf(asked);
  if (name === undefined || !isOurs(name, host, names)) {
    return forbidden(
      `This dashboard is not known as ${JSON.stringify(asked ?? '')}. Open it under the address that it listens on.`,
    );
  }
  const origin = headerOf(headers, 'origin');
  const isForeignOrigin =
    origin !== undefined && !['http', 'https'].some((scheme) => origin === `${scheme}://${asked}`);
  if (isForeignOrigin || isForeignSite(method, path, headers))
    return forbidden('Pages of other sites may not ask this dashboard.');
  return method === 'POST' && headerOf(headers, 'x-handoff') !== '1'
    ? forbidden('The header x-handoff: 1 is missing.')
    : undefined;
}

/**
 * Whether another site caused the request. A link on another site may open the page: only its reader sees the answer.
 */
function isForeignSite(method: string, path: string, headers: Visit['headers']): boolean {
  const site = headerOf(headers, 'sec-fetch-site');
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  const isNavigation =
    headerOf(headers, 'sec-fetch-mode') === 'navigate' && headerOf(headers, 'sec-fetch-dest') === 'document';
  return !(path === '/' && method === 'GET' && isNavigation);
}

/** Accepts the token in the address of the page, in the header `Authorization`, or as a cookie. */
function checkToken(token: string | undefined, port: number, { method, path, query, headers }: Visit): Access {
  if (token === undefined) return { kind: 'enter' };
  const given = query.get('token');
  if (path === '/' && method === 'GET' && given !== null && isSame(given, token)) {
    return { kind: 'welcome', cookie: `${cookieName}-${port}=${passOf(token)}; Path=/; HttpOnly; SameSite=Strict` };
  }
  const [scheme, bearer = ''] = (headerOf(headers, 'authorization') ?? '').split(' ');
  if (scheme?.toLowerCase() === 'bearer' && isSame(bearer, token)) return { kind: 'enter' };
  const pass = cookieOf(headerOf(headers, 'cookie') ?? '', `${cookieName}-${port}`);
  if (pass !== undefined && isSame(pass, passOf(token))) return { kind: 'enter' };
  return {
    kind: 'refuse',
    status: 401,
    text: 'A token is needed. Open /?token=… once, or send the header Authorization: Bearer ….',
  };
}

function forbidden(text: string): Access {
  return { kind: 'refuse', status: 403, text };
}

/** The cookie holds a hash instead of the token, because servers on other ports of this host receive the cookie too. */
function passOf(token: string): string {
  return createHmac('sha256', token).update('handoff dashboard').digest('base64url');
}

/** Takes the same time wherever the texts differ. */
function isSame(given: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

function headerOf(headers: Visit['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The host of a `Host` header, in lower case, without port and brackets. */
function nameOf(header: string | undefined): string | undefined {
  const [, six, name] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return (six ?? name)?.toLowerCase();
}

function isOurs(name: string, host: string, names: readonly string[]): boolean {
  if (isLoopback(name) || name === host.toLowerCase()) return true;
  // Other sites can point a name here, but not an address.
  return (
    !isLoopback(host) &&
    (/^[\d.]+$/.test(name) || name.includes(':') || names.some((each) => each.toLowerCase() === name))
  );
}

function cookieOf(header: string, name: string): string | undefined {
  const cookies = header.split(';').map((each) => each.trim());
  return cookies.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}
