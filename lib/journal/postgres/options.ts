/** What a PostgreSQL journal needs to know. */

export interface PostgresSettings {
  /** `postgres://user:password@host:5432/database`. It must not appear in texts: use `placeOf`. */
  readonly url: string;
  /** The schema that holds the tables. */
  readonly schema: string;
  /** After this many ms without a sign of life, the runs of a process may be taken over. */
  readonly lease: number;
  /** For how many ms an operation is tried again while the database cannot be reached. */
  readonly retryTimeout: number;
  readonly retain: { readonly runs: number; readonly ms: number };
}

/** Whether a text is the address of a PostgreSQL database. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text);
}

/** The database that a URL names, without user and password. */
export function placeOf(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? (hostname === '' ? 'localhost' : hostname);
  return `${host}${host.startsWith('/') ? '' : `:${port === '' ? '5432' : port}`}${pathname}`;
}

/** What names a journal, without the password of a URL. */
export function withoutPassword(journal: string): string {
  if (!isPostgresUrl(journal)) return journal;
  const url = new URL(journal);
  url.password = '';
  url.searchParams.delete('password');
  return url.href;
}
