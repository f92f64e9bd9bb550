import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import { transportContract } from './contract.ts';

transportContract('the TCP transport', (identity) => new TcpTransport({ identity: () => identity, port: 0 }));

const folder = mkdtempSync(join(tmpdir(), 'handoff-'));
let last = 0;
transportContract(
  'the TCP transport over Unix sockets',
  (identity) => new TcpTransport({ identity: () => identity, host: `unix:${folder}/${last++}` }),
);
afterAll(() => rmSync(folder, { recursive: true }));
