/** The command of `npm run simulate`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const cli = new URL('../../../lib/scheduling/simulation/cli.ts', import.meta.url).pathname;
const run = promisify(execFile);

const simulate = (...args: string[]): Promise<{ stdout: string; stderr: string; code?: number }> =>
  run(process.execPath, [cli, ...args]).catch((error) => error);

describe('the command of the simulation', () => {
  it('prints its options', async () => {
    const { stdout, stderr, code } = await simulate('--help');
    for (const flag of ['--runs', '--seed', '--threads', '--replay']) expect(stdout).toContain(flag);
    expect([stderr, code]).toEqual(['', undefined]);
  });

  it.each([
    [['--rnus', '5'], "Unknown option '--rnus'"],
    [['--runs'], "'--runs <value>' argument missing"],
    [['5'], "Unexpected argument '5'"],
    [['--runs', '0'], '--runs must be a whole number of at least 1, got "0".'],
    [['--seed', 'x'], '--seed must be a whole number of at least 0, got "x".'],
    [['--threads', '1.5'], '--threads must be a whole number of at least 1, got "1.5".'],
    [['--replay', ''], '--replay must be a whole number of at least 0, got "".'],
  ])('refuses %j', async (args, text) => {
    const { stdout, stderr, code } = await simulate(...args);
    expect(stderr).toContain(text);
    expect(stderr).toContain('--help');
    expect(stderr.split('\n')).toHaveLength(3);
    expect([stdout, code]).toEqual(['', 2]);
  });
});
