/** A release has a version of package.json and a section of the changelog. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { notesOf } from './support/release-notes.ts';

const changelog = '# Changelog\n\n## Unreleased\n\n## 1.2.0 (2026-01-02)\n\n### Added\n\n- A.\n\n## 1.1.0\n\n- B.\n';

it('the notes of a release are the section of its version, up to the next', () => {
  expect(notesOf(changelog, '1.2.0')).toBe('### Added\n\n- A.');
  expect(notesOf(changelog, '1.1.0')).toBe('- B.');
});

it.each(['1.3.0', '1.2', 'Unreleased'])('there are none of %s', (version) => {
  expect(() => notesOf(changelog, version)).toThrow(`CHANGELOG.md has nothing of ${version}`);
});

it('the version of package.json has a section in the changelog', () => {
  const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  expect(notesOf(read('CHANGELOG.md'), version)).toContain('### ');
});
