/** What stands in the tarball and on the registry's page must lead somewhere from there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const page = manifest.repository.url.replace(/^git\+/, '').replace(/\.git$/, '');

it('the package says where its source, its page and its bugs are', () => {
  expect(page).toMatch(/^https:\/\/github\.com\/[\w-]+\/[\w-]+$/);
  expect([manifest.homepage, manifest.bugs]).toEqual([`${page}#readme`, `${page}/issues`]);
});

it('each dependency has its purpose in the docs, and the docs name no other', () => {
  const internals = readFileSync(join(root, '.github/docs/internals.md'), 'utf8');
  const table = internals.slice(internals.indexOf('## Dependencies'));
  const named = [...table.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  expect(named).toEqual(Object.keys(manifest.dependencies));
});

it.each(['README.md', ...manifest.files.filter((name: string) => name.endsWith('.md'))])(
  'links and images of %s lead to what is in the tarball, or to a file of the repository',
  (name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
      ([, markdown, html]) => (markdown ?? html)!,
    );
    const packed = ['README.md', 'LICENSE', 'package.json', ...manifest.files];
    const raw = page.replace('github.com', 'raw.githubusercontent.com');
    for (const link of links.filter((each) => !each.startsWith('#'))) {
      const [, path] = [new RegExp(`^${page}/(?:blob|tree)/main/(.+)$`), new RegExp(`^${raw}/main/(.+)$`)].flatMap(
        (pattern) => [...(pattern.exec(link) ?? [])],
      );
      if (path !== undefined) expect(existsSync(join(root, path)), link).toBe(true);
      else if (!link.startsWith('https://'))
        expect(
          packed.some((each) => link === each || link.startsWith(`${each}/`)),
          `${link} is not in the tarball`,
        ).toBe(true);
    }
  },
);
