import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Handoff, loadConfig } from '../../../lib/index.ts';

describe('loadConfig', () => {
  const before = process.cwd();
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'handoff-config-'));
    process.chdir(folder); // a spec file has a process of its own
  });
  afterEach(() => {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  });
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  it.each(['ts', 'mts', 'mjs'])('finds handoff.config.%s in the working directory', async (extension) => {
    write(`handoff.config.${extension}`, "export default { nodes: [{ name: 'a', capabilities: { cpu: 1 } }] };");
    const options = await loadConfig();
    expect(options).toEqual({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
    await using handoff = await Handoff.start(options);
    expect(await handoff.discoverNodes()).toEqual({ a: { cpu: 1 } });
  });

  it('takes what a function gives, and any file by name', async () => {
    write('other.mjs', 'export default async () => ({ maxRetries: 1 });');
    expect(await loadConfig(join(folder, 'other.mjs'))).toEqual({ maxRetries: 1 });
  });

  it('gives no options when there is no file', async () => {
    expect(await loadConfig()).toEqual({});
  });

  it('passes on what a function throws', async () => {
    write('handoff.config.mjs', "export default () => { throw new RangeError('no such machine'); };");
    await expect(loadConfig()).rejects.toThrow(new RangeError('no such machine'));
  });

  it.each([
    ['a file that is not there', {}, 'nope.mjs', 'There is no configuration'],
    [
      'two of them',
      { 'handoff.config.mjs': '', 'handoff.config.ts': '' },
      undefined,
      'both handoff.config.ts and handoff.config.mjs',
    ],
    ['no default export', { 'handoff.config.mjs': 'export const nodes = [];' }, undefined, 'no default export'],
    ['a list', { 'handoff.config.mjs': 'export default [];' }, undefined, 'must be options'],
    [
      'a file that cannot be read as code',
      { 'handoff.config.mjs': 'export default {' },
      undefined,
      'cannot be imported',
    ],
  ])('refuses %s', async (_, files, name, mention) => {
    for (const [file, text] of Object.entries(files)) write(file, text);
    await expect(loadConfig(name === undefined ? undefined : join(folder, name))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'config',
      message: expect.stringContaining(mention) as string,
    });
  });

  it('leaves unknown options for Handoff.start to refuse', async () => {
    write('handoff.config.mjs', 'export default { nodez: [] };');
    await expect(loadConfig().then((options) => Handoff.start(options))).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'nodez',
      suggestion: 'nodes',
    });
  });
});
