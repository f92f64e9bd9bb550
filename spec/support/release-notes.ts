/**
 * `node spec/support/release-notes.ts VERSION`: prints what the changelog says of a version, for the release on GitHub.
 * It fails if package.json has another version, or the changelog has nothing of this one.
 */
import { readFileSync } from 'node:fs';

/** @throws an `Error` if the changelog has no section of the version, or an empty one */
export function notesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => /^\[?([^\s\]]+)/.exec(text)?.[1] === version);
  const notes = section?.slice(section.indexOf('\n')).trim();
  if (notes === undefined || notes === '')
    throw new Error(
      `CHANGELOG.md has nothing of ${version}. Give its changes the heading "## ${version} (YYYY-MM-DD)".`,
    );
  return notes;
}

if (import.meta.main) {
  const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const version = (process.argv[2] ?? '').replace(/^v/, '');
  const manifest = JSON.parse(read('package.json')) as { readonly version: string };
  if (manifest.version !== version)
    throw new Error(`package.json has version ${manifest.version}, but ${version} is to be released.`);
  console.log(notesOf(read('CHANGELOG.md'), version));
}
