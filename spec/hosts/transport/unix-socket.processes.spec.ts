/** A socket that only its owner can open. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TcpOptions } from '../../../lib/hosts/transport/tcp/options.ts';
import { TcpTransport } from '../../../lib/hosts/transport/tcp/tcp-transport.ts';
import { echo, framesOf, ping } from './support.ts';

let folder: string;
const made: TcpTransport[] = [];
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'handoff-'))));
afterEach(async () => {
  await Promise.all(made.splice(0).map((each) => each.close()));
  rmSync(folder, { recursive: true });
});

function transport(options: Partial<TcpOptions> = {}): TcpTransport {
  const one = new TcpTransport({ identity: () => ({ id: 'one', incarnation: 0 }), ...options });
  made.push(one);
  return one;
}

describe('a host on a Unix socket', () => {
  it('is dialled there, and leaves nothing behind', async () => {
    const path = join(folder, 'x.sock');
    const host = transport({ host: `unix:${path}` });
    expect(await host.listen(echo)).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['x.sock']);
    const channel = await transport().dial(`unix:${path}`, 'control');
    expect(channel.peer.address).toBe(`unix:${path}`);
    await ping(channel, framesOf(channel));
    await host.close();
    expect(existsSync(path)).toBe(false);
  });

  it('needs and uses no secret there, because the file decides who may connect', async () => {
    const path = join(folder, 'x.sock');
    await transport({ host: `unix:${path}`, secret: 'one that is long enough' }).listen(echo);
    const channel = await transport({ secret: 'another that is long enough' }).dial(`unix:${path}`, 'control');
    await ping(channel, framesOf(channel));
  });

  it('replaces a file that a dead process has left', async () => {
    const path = join(folder, 'x.sock');
    const child = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    await once(child, 'exit');
    expect(statSync(path).isSocket()).toBe(true);
    await transport({ host: `unix:${path}` }).listen(echo);
    const channel = await transport().dial(`unix:${path}`, 'control');
    await ping(channel, framesOf(channel));
  });

  it('replaces neither the socket of a live process nor a file that is no socket', async () => {
    const path = join(folder, 'x.sock');
    await transport({ host: `unix:${path}` }).listen(echo);
    await expect(transport({ host: `unix:${path}` }).listen(echo)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'host',
      message: expect.stringContaining('another process listens there'),
    });
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    await expect(transport({ host: `unix:${file}` }).listen(echo)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('no socket'),
    });
    await expect(transport({ host: `unix:${folder}/none/x.sock` }).listen(echo)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('ENOENT'),
    });
    const channel = await transport().dial(`unix:${path}`, 'control');
    await ping(channel, framesOf(channel));
  });

  it('leaves the file of a host that came after it', async () => {
    const path = join(folder, 'x.sock');
    const first = transport({ host: `unix:${path}` });
    await first.listen(echo);
    rmSync(path);
    await transport({ host: `unix:${path}` }).listen(echo);
    await first.close();
    const channel = await transport().dial(`unix:${path}`, 'control');
    await ping(channel, framesOf(channel));
  });

  it('that does not exist answers no request', async () => {
    await expect(transport().dial(`unix:${folder}/none`, 'control')).rejects.toMatchObject({
      code: 'NODE_DOWN',
      message: expect.stringContaining('ENOENT'),
    });
  });

  it.runIf(process.getuid?.() === 0)('can be neither opened nor impersonated by other users', async () => {
    const path = join(folder, 'x.sock');
    chmodSync(folder, 0o777);
    await transport({ host: `unix:${path}` }).listen(echo);
    const asNobody = async (code: string): Promise<string> => {
      const child = spawn(process.execPath, ['-e', code], {
        uid: 65_534,
        gid: 65_534,
        env: { ...process.env, NODE_OPTIONS: '' },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
      await once(child, 'close');
      return text;
    };
    expect(
      await asNobody(
        `require('net').connect(${JSON.stringify(path)}).on('error', (error) => console.log(error.code)).on('connect', function () { console.log('connected'); this.destroy(); })`,
      ),
    ).toBe('EACCES\n');
    const theirs = join(folder, 'theirs');
    const server = createServer().listen(theirs);
    await once(server, 'listening');
    chownSync(theirs, 65_534, 65_534);
    chmodSync(theirs, 0o777);
    const uid = process.geteuid!;
    process.geteuid = () => 1000;
    try {
      await expect(transport().dial(`unix:${theirs}`, 'control')).rejects.toMatchObject({
        code: 'UNAUTHORIZED',
        message: expect.stringContaining('belongs to another user'),
      });
    } finally {
      process.geteuid = uid;
      server.close();
    }
  });
});
