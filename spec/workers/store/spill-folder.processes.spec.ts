import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillFolder } from '../../../lib/workers/store/spill-folder.ts';

const run = promisify(execFile);
const module = JSON.stringify(new URL('../../../lib/workers/store/spill-folder.ts', import.meta.url).href);

let parent: string;
const folders: SpillFolder[] = [];
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'handoff-spill-spec-'));
});
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => folder.stop()));
  rmSync(parent, { recursive: true, force: true });
});

function create(): SpillFolder {
  const folder = new SpillFolder(parent);
  folders.push(folder);
  return folder;
}

/** Another process that makes a folder, writes into it, and lives on. */
async function other(): Promise<{ readonly file: string; die(): Promise<void> }> {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
    import { SpillFolder } from ${module};
    console.log(await new SpillFolder(${JSON.stringify(parent)}).write([new Uint8Array(8)]));
    setInterval(() => {}, 60_000);
  `,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    file: line.toString().trim(),
    async die() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

const canUnshare = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
const isRoot = process.getuid?.() === 0;

describe('the folder of spilled results', () => {
  it('exists after the first write, and is removed at stop', async () => {
    const folder = create();
    expect(folder.path).toBeUndefined();
    const file = await folder.write([new Uint8Array([1, 2]), new Uint8Array([3])]);
    expect(statSync(file).size).toBe(3);
    expect(statSync(folder.path!).mode & 0o777).toBe(0o700);
    await folder.stop();
    expect(readdirSync(parent)).toEqual([]);
  });

  it('of a process that was killed is removed by the next start', async () => {
    const { file, die } = await other();
    await create().cleaned;
    expect(existsSync(file)).toBe(true);
    await die();
    await create().cleaned;
    expect(readdirSync(parent)).toEqual([]);
  });

  it('is removed once, however many start at the same time', async () => {
    const killed = await Promise.all([other(), other()]);
    await Promise.all(killed.map(({ die }) => die()));
    await Promise.all(Array.from({ length: 8 }, () => create().cleaned));
    expect(readdirSync(parent)).toEqual([]);
  });

  it.skipIf(!canUnshare)(
    'stays while its process lives, also to a container that numbers processes on its own',
    async () => {
      const folder = create();
      const file = await folder.write([new Uint8Array(8)]);
      await run('unshare', [
        '--pid',
        '--fork',
        '--mount-proc',
        process.execPath,
        '--input-type=module',
        '-e',
        `
      import { SpillFolder } from ${module};
      const folder = new SpillFolder(${JSON.stringify(parent)});
      await folder.cleaned;
      await folder.stop();
    `,
      ]);
      expect(existsSync(file)).toBe(true);
    },
  );

  it('stays where it has no lock, or a lock that is no socket', async () => {
    const folder = create();
    await folder.write([new Uint8Array(1)]);
    const [own = ''] = readdirSync(parent);
    const [bare, odd, link] = ['bare', 'odd', 'link'].map((name) =>
      join(parent, own.replace(/-\d+-[^-]+$/, `-999999999-${name}`)),
    ) as [string, string, string];
    for (const each of [bare, odd]) mkdirSync(each);
    writeFileSync(join(odd, 'lock'), '');
    symlinkSync('/', link);
    await create().cleaned;
    expect(readdirSync(parent).toSorted()).toEqual(
      [own, ...[bare, odd, link].map((each) => basename(each))].toSorted(),
    );
  });

  it.skipIf(!isRoot)('of another user neither keeps a start from succeeding nor is touched', async () => {
    const { file, die } = await other();
    await die();
    const folder = join(file, '..');
    // The name as it was before locks, too: anybody can plant one.
    const planted = join(parent, 'handoff-spill-999999999-planted');
    mkdirSync(planted);
    for (const each of [folder, planted]) {
      writeFileSync(join(each, 'x'), '');
      chmodSync(each, 0o700);
    }
    chmodSync(parent, 0o1777);
    const { stdout } = await run(process.execPath, [
      '--input-type=module',
      '-e',
      `
      import { SpillFolder } from ${module};
      process.setuid(65534);
      const folder = new SpillFolder(${JSON.stringify(parent)});
      await folder.cleaned;
      await folder.write([new Uint8Array(1)]);
      await folder.stop();
      console.log('started');
    `,
    ]);
    expect(stdout).toBe('started\n');
    expect(existsSync(file)).toBe(true);
    chownSync(folder, 65534, 65534); // even to root it is somebody else's
    await create().cleaned;
    expect(readdirSync(parent).toSorted()).toEqual([basename(folder), basename(planted)].toSorted());
  });

  it('is created again when another process removes it', async () => {
    const folder = create();
    await folder.write([new Uint8Array(1)]);
    rmSync(folder.path!, { recursive: true });
    expect(statSync(await folder.write([new Uint8Array(2)])).size).toBe(2);
  });

  it('is created later when it cannot be created now', async () => {
    const file = join(parent, 'no-folder');
    writeFileSync(file, '');
    const folder = new SpillFolder(file);
    folders.push(folder);
    await expect(folder.write([new Uint8Array(1)])).rejects.toThrow(/EEXIST|ENOTDIR/);
    rmSync(file);
    expect(statSync(await folder.write([new Uint8Array(1)])).size).toBe(1);
  });

  it('has a lock at any length of its path, or works without one', async () => {
    const deep = join(parent, 'x'.repeat(120));
    const folder = new SpillFolder(deep);
    folders.push(folder);
    expect(statSync(await folder.write([new Uint8Array(1)])).size).toBe(1);
  });

  it('holds nothing of a failed write', async () => {
    const { stdout } = await run('bash', [
      '-c',
      'ulimit -f 8; exec "$@"',
      'bash',
      process.execPath,
      '--input-type=module',
      '-e',
      `
      import { readdirSync } from 'node:fs';
      import { SpillFolder } from ${module};
      const folder = new SpillFolder(${JSON.stringify(parent)});
      const error = await folder.write([new Uint8Array(1 << 20)]).catch((error) => error);
      console.log(error.code, readdirSync(folder.path).join());
      await folder.stop();
    `,
    ]);
    expect(stdout).toBe('EFBIG lock\n');
  });
});
