/** Which modules are below a root. */
import { CodeVersions } from '../../../lib/workers/code/versions.ts';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CodeName, ModuleNames } from '../../../lib/hosts/cluster/code-identity.ts';

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'handoff-'));
  root = join(folder, 'root');
  mkdirSync(join(root, '..data'), { recursive: true });
  mkdirSync(join(folder, 'outside'));
  for (const file of ['root/inside.js', 'root/..data/tasks.js', 'outside/tasks.js'])
    writeFileSync(join(folder, file), 'export const f = () => 1;');
});
afterEach(() => rmSync(folder, { recursive: true }));

const names = (at = root): ModuleNames => new ModuleNames(at, false, () => expect.unreachable(), new CodeVersions());
const nameOf = (file: string, at = root): CodeName => {
  const url = pathToFileURL(join(folder, file)).href;
  return names(at).nameOf({ url, module: url, export: 'f' });
};

it('a folder whose name begins with two dots is below the root', () => {
  const name = nameOf('root/..data/tasks.js');
  expect(name).toMatchObject({ path: '..data/tasks.js' });
  expect(names().find(name, 'there', 'here')).toMatchObject({ export: 'f' });
});

it.each([
  ['a file that is a link', 'link.js', 'outside/tasks.js'],
  ['a file in a folder that is a link', 'link', 'outside'],
])('%s to somewhere outside is not below the root', (_name, link, to) => {
  symlinkSync(join(folder, to), join(root, link));
  const path = link === 'link' ? 'link/tasks.js' : link;
  const name = { ...nameOf('root/inside.js'), path } as CodeName; // the same content, hence the same hash
  expect(() => names().find(name, 'there', 'here')).toThrow(
    expect.objectContaining({ code: 'FUNCTION_NOT_FOUND', message: expect.stringContaining('leads out of it') }),
  );
});

it('a link within the root, and a root that is a link, are accepted', () => {
  symlinkSync(join(root, 'inside.js'), join(root, 'link.js'));
  symlinkSync(root, join(folder, 'alias'));
  const name = { ...nameOf('root/inside.js'), path: 'link.js' } as CodeName;
  expect(names().find(name, 'there', 'here')).toMatchObject({ export: 'f' });
  expect(names(join(folder, 'alias')).find(name, 'there', 'here')).toMatchObject({ export: 'f' });
});

it.each(['../outside/tasks.js', '..', '/etc/passwd/../../outside/tasks.js'])(
  'what is named %s is not below it',
  (path) => {
    expect(() => names().find({ ...nameOf('root/inside.js'), path } as CodeName, 'there', 'here')).toThrow(
      expect.objectContaining({ code: 'FUNCTION_NOT_FOUND' }),
    );
  },
);
