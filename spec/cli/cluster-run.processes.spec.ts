/** `handoff run` and `handoff plan` on other hosts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTrace } from '../report/trace-format.ts';
import { clusterFiles, Processes } from './processes.ts';

const certificate = (name: string): string =>
  join(import.meta.dirname, '../hosts/transport/certificates', `${name}.pem`);
const tls = (who: string): string[] => [
  '--tls-cert',
  certificate(who),
  '--tls-key',
  certificate(`${who}-key`),
  '--tls-ca',
  certificate('ca'),
];
const total = 2 * (55 + 210 + 465);

const processes = new Processes(clusterFiles);

describe('handoff run --join', () => {
  it('runs on nodes of other hosts, and has none itself', async () => {
    const a = await processes.node('a');
    const { code, stdout, stderr } = await processes.run(['run', 'sums.ts', '--join', a.address]);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`total: ${total}\n`);
    expect(stderr).toMatch(/8 functions in .* on a \(8\)/);
  });

  it('traces which function ran on which host, and counts the bytes moved between hosts', async () => {
    const a = await processes.node('a');
    const b = await processes.node('b', { args: ['--join', a.address] });
    await a.said('node b is up');
    const { code, stderr } = await processes.run([
      'run',
      'far.ts',
      '--join',
      a.address,
      '--trace',
      'far.json',
      '--summary',
      'sum.json',
      '--report',
      'far.html',
    ]);
    expect(code, stderr).toBe(0);
    const read = (name: string): string => readFileSync(join(processes.folder, name), 'utf8');
    const { flows, processes: hosts, slices } = checkTrace(read('far.json'));
    expect(flows.map(({ from, to }) => [from, to].map(({ name, pid }) => `${name} on ${hosts.get(pid)}`))).toEqual([
      [`made on host ${a.address}`, `taken on host ${b.address}`],
    ]);
    expect(slices.filter(({ cat }) => cat === 'function').map(({ args }) => args.node)).toEqual(['a', 'b']);
    expect(JSON.parse(read('sum.json'))).toMatchObject({
      bytesMoved: 80_000,
      nodes: { a: 1, b: 1 },
      nodeUse: { a: { peakMemoryMb: expect.any(Number) as unknown }, b: { threads: 2 } },
    });
    expect(stderr).toContain(' · 78.1 KiB between hosts');
  });

  it('adds nodes of its own by --nodes, and listens by --listen', async () => {
    const a = await processes.node('a', { capabilities: 'cpu=1,threads=1' });
    const { code, stdout, stderr } = await processes.command([
      'run',
      'sums.ts',
      '--join',
      a.address,
      '--listen',
      '127.0.0.1:0',
      '--nodes',
      'mine:cpu=1,threads=1',
      '--strategy',
      'load-balanced',
      '--json',
    ]);
    expect(code, stderr).toBe(0);
    const { results, allocations } = JSON.parse(stdout) as { results: unknown; allocations: Record<string, string> };
    expect(results).toEqual({ total });
    expect(new Set(Object.values(allocations))).toEqual(new Set(['a', 'mine']));
    expect(stderr).toMatch(/^listening on 127\.0\.0\.1:\d+$/m);
  });

  it('with a secret and over TLS', async () => {
    const secret = processes.write('secret', 'long and random enough');
    const a = await processes.node('a', { args: [...tls('ours'), '--secret-file', secret] });
    const { code, stdout, stderr } = await processes.run(['run', 'sums.ts', '--join', a.address, ...tls('ours')], {
      HANDOFF_SECRET: 'long and random enough',
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`total: ${total}\n`);
  });

  it('finds modules below --root, wherever hosts work', async () => {
    processes.write('elsewhere/readme', '');
    const a = await processes.node('a', { args: ['--root', processes.folder] });
    const { code, stdout, stderr } = await processes.command(
      ['run', '../sums.ts', '--join', a.address, '--root', '..'],
      join(processes.folder, 'elsewhere'),
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`total: ${total}\n`);
  });

  it('refuses to run on hosts that have other code', async () => {
    processes.write(
      'other/tasks.ts',
      'export function numbers() { return [1]; }\nexport function sum() { return 1; }\nexport function double() { return 2; }\n',
    );
    const a = await processes.node('a', { args: ['--root', join(processes.folder, 'other')] });
    const { code, stdout, stderr } = await processes.command(['run', 'sums.ts', '--join', a.address]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Module tasks.ts, or a module it imports, differs between host');
  });

  it('exits with 1 when no host answers, naming the addresses it tried', async () => {
    processes.write('impatient.config.ts', "export default { transport: { type: 'tcp', joinTimeout: 200 } };");
    const { code, stderr } = await processes.command([
      'run',
      'sums.ts',
      '--join',
      '127.0.0.1:1',
      '--config',
      'impatient.config.ts',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('None of 127.0.0.1:1 answered');
  });

  it('refuses a secret without a transport that uses it', async () => {
    const { code, stderr } = await processes.command([
      'run',
      'sums.ts',
      '--secret-file',
      processes.write('secret', 'x'),
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('--join HOST:PORT, --listen HOST:PORT or --nats URL is missing');
  });
});

describe('Ctrl-C of handoff run --join', () => {
  it('lets functions that run on other hosts finish, starts no more, and leaves the cluster', async () => {
    const a = await processes.node('a');
    const run = processes.start(['run', 'held.ts', '--join', a.address, '--', join(processes.folder, 'released')]);
    await a.said('held runs');
    run.kill('SIGINT');
    await run.said('Running functions finish');
    processes.write('released', '');
    expect(await run.finished).toMatchObject({ code: 130, stdout: '' });
    a.kill('SIGTERM');
    expect((await a.finished).stderr).not.toContain('after runs');
  });

  it('a second time ends at once, and the node stays for others', async () => {
    const a = await processes.node('a');
    const run = processes.start(['run', 'held.ts', '--join', a.address, '--', join(processes.folder, 'never')]);
    await a.said('held runs');
    run.kill('SIGINT');
    await run.said('Running functions finish');
    run.kill('SIGINT');
    expect((await run.finished).code).toBe(130);
    const next = await processes.command(['run', 'sums.ts', '--join', a.address]);
    expect(next.stdout, next.stderr).toBe(`total: ${total}\n`);
  });
});

it('handoff plan --join plans for the nodes of others', async () => {
  const a = await processes.node('a');
  const { code, stdout, stderr } = await processes.command(['plan', 'sums.ts', '--join', a.address, '--json']);
  expect(code, stderr).toBe(0);
  expect(new Set(Object.values((JSON.parse(stdout) as { allocations: object }).allocations))).toEqual(new Set(['a']));
});
