/** What the option `journal` accepts for NATS servers, and which packages it needs. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Handoff, type HandoffOptions } from '../../lib/index.ts';
import { loadClients } from '../../lib/journal/nats/client.ts';
import { isSharedJournal, journalOf } from '../../lib/cli/flags/flags.ts';
import { errorOf } from '../support/handoff.ts';

afterEach(() => {
  for (const name of ['@nats-io/jetstream', '@nats-io/kv']) vi.doUnmock(name);
  vi.unstubAllEnvs();
});

describe('the flag --journal', () => {
  it.each([
    ['nats://127.0.0.1:4222', { type: 'nats', servers: ['nats://127.0.0.1:4222'] }],
    ['tls://a:4222,tls://b:4222', { type: 'nats', servers: ['tls://a:4222', 'tls://b:4222'] }],
    ['nats:', { type: 'nats' }],
  ])('%s names a journal at NATS servers', (text, journal) => {
    expect(isSharedJournal(text)).toBe(true);
    expect(journalOf(text)).toEqual(journal);
  });

  it.each(['nats', './nats:', 'folder'])('%s names a folder', (text) => {
    expect(isSharedJournal(text)).toBe(false);
    expect(journalOf(text)).toEqual({ type: 'sqlite', path: text });
  });
});

describe('Handoff.start', () => {
  it.each([
    [{ type: 'nats', servers: 'nats://me:pa55@127.0.0.1' }, 'servers', 'credentials have options of their own'],
    [{ type: 'nats', namespace: 'a b' }, 'namespace', 'separated by dots'],
    [{ type: 'nats', replicas: 0 }, 'replicas', '1'],
    [{ type: 'nats' }, 'servers', 'HANDOFF_NATS'],
    [{ type: 'nats', servers: 'nats://192.0.2.1:4222' }, 'secret', 'requires a secret or credentials'],
    [{ type: 'nat' }, 'type', "'sqlite', 'postgres' or 'nats'"],
  ])('refuses %o', async (journal, option, text) => {
    vi.stubEnv('HANDOFF_NATS', undefined);
    const { resolveJournal } = await import('../../lib/runtime/options/journal-options.ts');
    const error = await errorOf((async () => resolveJournal(journal as never).open())());
    expect(error).toMatchObject({ code: 'INVALID_OPTION', option, message: expect.stringContaining(text) });
    expect(error.message).not.toContain('pa55');
  });

  it('shows the form of the option when it is no object', async () => {
    expect(await errorOf(Handoff.start({ journal: 'nats:' } as unknown as HandoffOptions))).toMatchObject({
      message: expect.stringContaining("{ type: 'nats', servers?"),
    });
  });
});

it.each(['@nats-io/jetstream', '@nats-io/kv'])(
  'the missing package %s is named, with its installation',
  async (name) => {
    vi.doMock(name, () => {
      throw new Error('Cannot find package');
    });
    expect(await errorOf(loadClients())).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'journal',
      message: expect.stringContaining(`npm install ${name}`),
    });
  },
);
