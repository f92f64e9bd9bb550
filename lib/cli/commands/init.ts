/** `handoff init`: a project to begin with. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { packageVersion } from '../../core/package-files.ts';
import { ExitCode, OutputError, UsageError } from '../exit.ts';
import { projectFiles } from './init-files.ts';
import { print } from '../output/stdout.ts';

/**
 * Writes the files of the project. Existing files are never changed.
 *
 * @throws `UsageError` naming the files that exist already; then nothing is written
 * @throws `OutputError` naming the file that cannot be written
 */
export async function init(folder = '.'): Promise<number> {
  const target = resolve(folder);
  const files = projectFiles(nameOf(target), packageVersion());
  const taken = [...files.keys()].filter((file) => existsSync(join(target, file)));
  if (taken.length > 0)
    throw new UsageError(
      `handoff init: ${folder} has ${taken.join(', ')} already, and nothing was written. Name a new folder, such as: handoff init my-pipeline`,
    );
  for (const [file, content] of files) {
    try {
      await mkdir(target, { recursive: true });
      await writeFile(join(target, file), content, { flag: 'wx' });
    } catch (error) {
      throw new OutputError(`handoff init: ${join(folder, file)} cannot be written: ${(error as Error).message}`);
    }
  }
  print([...files.keys()].map((file) => join(folder, file)).join('\n'));
  const go = folder === '.' ? '' : `cd ${folder} && `;
  process.stderr.write(
    `\nNext:\n  ${go}npm install\n  npm start        count words, on all cores\n  npm test         the functions and the DAG\n  npm run watch    the same run in a browser\n`,
  );
  return ExitCode.done;
}

/** A name that npm accepts, made of the folder's. */
function nameOf(target: string): string {
  const name = basename(target)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/^[._-]+|[._-]+$/g, '');
  return name === '' ? 'pipeline' : name;
}
