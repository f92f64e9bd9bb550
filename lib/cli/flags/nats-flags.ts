/** Flags of commands whose hosts meet at a NATS server. Secrets are never flags: flags name the files that hold them. */
import type { HandoffOptions } from '../../runtime/options/handoff-options.ts';
import type { NatsTransportOptions } from '../../runtime/options/transport-options.ts';
import { UsageError } from '../exit.ts';
import { checkTogether, type HandoffFlags, readFile, readSecret, transportOf } from './flags.ts';

/** Whether the hosts of a command meet at a NATS server: by flags, else the environment, else the configuration file. */
export function usesNats(
  flags: HandoffFlags,
  environment: { readonly join?: unknown; readonly servers?: unknown },
  config: HandoffOptions,
): boolean {
  if (flags.nats !== undefined) return true;
  if (flags.join !== undefined) return false;
  if (environment.servers !== undefined && environment.join !== undefined)
    throw new UsageError('HANDOFF_NATS and HANDOFF_JOIN are both set. Hosts meet in one way: unset one of them.');
  if (environment.servers !== undefined) return true;
  return environment.join === undefined && config.transport?.type === 'nats';
}

/** @throws `UsageError` if flags contradict each other, or a file cannot be read */
export function natsOf(flags: HandoffFlags): Partial<NatsTransportOptions> {
  const useless = Object.entries({
    '--join': flags.join,
    '--tls-cert': flags.tlsCert,
    '--tls-key': flags.tlsKey,
    '--tls-ca': flags.tlsCa,
  }).find(([, value]) => value !== undefined);
  if (useless !== undefined)
    throw new UsageError(
      `${useless[0]} has no effect with a NATS server: hosts find each other there. ` +
        'For TLS with the server, use --nats-ca, --nats-cert and --nats-key.',
    );
  const { nats, natsNamespace, natsUser, natsPassFile, natsTokenFile, natsNkey, natsCreds } = flags;
  const { tls: _tls, join: _join, type: _type, ...common } = transportOf(flags);
  return {
    ...common,
    ...(nats !== undefined && { servers: nats.flatMap((each) => each.split(',')).map((each) => each.trim()) }),
    ...(natsNamespace !== undefined && { namespace: natsNamespace }),
    ...(natsUser !== undefined && { user: natsUser }),
    ...(natsPassFile !== undefined && { pass: readSecret('--nats-pass-file', natsPassFile) }),
    ...(natsTokenFile !== undefined && { token: readSecret('--nats-token-file', natsTokenFile) }),
    ...(natsNkey !== undefined && { nkey: readSecret('--nats-nkey', natsNkey) }),
    ...(natsCreds !== undefined && { creds: readSecret('--nats-creds', natsCreds) }),
    ...tlsOf(flags),
  };
}

function tlsOf({ natsCa, natsCert, natsKey }: HandoffFlags): Pick<NatsTransportOptions, 'tls'> {
  checkTogether({ '--nats-cert': natsCert, '--nats-key': natsKey });
  if (natsCa === undefined && natsCert === undefined) return {};
  return {
    tls: {
      ...(natsCa !== undefined && { ca: readFile('--nats-ca', natsCa) }),
      ...(natsCert !== undefined && { cert: readFile('--nats-cert', natsCert) }),
      ...(natsKey !== undefined && { key: readFile('--nats-key', natsKey) }),
    },
  };
}
