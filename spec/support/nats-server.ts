/** A real NATS server for specs. */
import { spawnSync } from 'node:child_process';
import { describeWith } from './requires.ts';

export { jetStream, NatsServer, sharedNats } from './nats-server-process.ts';

const program = 'nats-server';

/** A `describe` for specs that need a NATS server. */
export const describeNats = describeWith(
  `${program} (Debian: apt-get install ${program}; others: https://nats.io)`,
  spawnSync(program, ['--version']).status === 0,
);
