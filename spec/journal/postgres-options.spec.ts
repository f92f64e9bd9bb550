/** What the option `journal` accepts for a database, and what it never shows. */
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Handoff, type HandoffOptions } from '../../lib/index.ts';
import { loadClient } from '../../lib/journal/postgres/client.ts';
import { isPostgresUrl, placeOf, withoutPassword } from '../../lib/journal/postgres/options.ts';
import { journalOf } from '../../lib/cli/flags/flags.ts';
import { errorOf } from '../support/handoff.ts';

afterEach(() => void vi.doUnmock('pg'));

describe('the URL of a database', () => {
  it.each([
    ['postgres://me:pa55@db.example.org:6543/app?sslmode=require', 'db.example.org:6543/app'],
    ['postgresql://db.example.org/app', 'db.example.org:5432/app'],
    ['postgres:///app?host=/var/run/postgresql&password=pa55', '/var/run/postgresql/app'],
    ['postgres:///app', 'localhost:5432/app'],
  ])('%s is called %s', (url, place) => {
    expect(isPostgresUrl(url)).toBe(true);
    expect(placeOf(url)).toBe(place);
    expect(withoutPassword(url)).not.toContain('pa55');
    expect(journalOf(url)).toEqual({ type: 'postgres', url });
  });

  it.each(['mysql://db/app', 'postgres', './postgres://db', 'postgres://db:port/app'])('%s is none', (text) => {
    expect(isPostgresUrl(text)).toBe(false);
    expect(journalOf(text)).toEqual({ type: 'sqlite', path: text });
    expect(withoutPassword(text)).toBe(text);
  });
});

describe('Handoff.start', () => {
  it.each([
    [{ type: 'postgres', url: 'mysql://me:pa55@db/app' }, 'url', 'the URL of a database'],
    [{ type: 'postgres', url: 'postgres://me:pa55@db:port/app' }, 'url', 'the URL of a database'],
    ['postgres://me:pa55@db/app', 'journal', "{ type: 'postgres', url"],
    [{ type: 'postgre', url: 'postgres://me:pa55@db/app' }, 'type', "'sqlite', 'postgres' or 'nats', got \"postgre\""],
    [{ type: 'postgres', url: 'postgres://me:pa55@db/app', schema: 'a"b' }, 'schema', 'letters, digits'],
    [{ type: 'postgres', url: 'postgres://me:pa55@db/app', lease: 0 }, 'lease', 'above 0'],
  ])('refuses %o', async (journal, option, text) => {
    const error = await errorOf(Handoff.start({ journal } as unknown as HandoffOptions));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option, message: expect.stringContaining(text) });
    expect(inspect(error)).not.toContain('pa55');
  });
});

it('the missing package of the client is named, with the command that installs it', async () => {
  vi.doMock('pg', () => {
    throw new Error('Cannot find package');
  });
  expect(await errorOf(loadClient())).toMatchObject({
    code: 'INVALID_OPTION',
    option: 'journal',
    message: expect.stringContaining('npm install pg'),
  });
});
