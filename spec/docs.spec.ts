/** README.md stays short, and each link of the guides leads somewhere. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = globSync(
  ['*.md', '.github/*.md', '.github/docs/**/*.md', 'examples/**/*.md', 'bench/*.md', 'spec/*.md', 'lib/**/*.md'],
  {
    cwd: root,
  },
).sort();
const repository = /^https:\/\/github\.com\/handoffjs\/handoff\/(?:blob|tree)\/main\//;

it('README.md has at most 10 KB', () => {
  expect(statSync(join(root, 'README.md')).size).toBeLessThanOrEqual(10_000);
});

it.each(pages)('each link of %s leads to a file and a heading that exist', (page) => {
  for (const link of linksOf(readFileSync(join(root, page), 'utf8'))) {
    const inRepository = repository.test(link);
    if (/^\w+:/.test(link) && !inRepository) continue;
    const [path = '', anchor] = link.replace(repository, '').split('#');
    const file = inRepository ? join(root, path) : path === '' ? join(root, page) : join(root, dirname(page), path);
    expect(existsSync(file), link).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(file), `${link} in ${page}`).toContain(anchor);
  }
});

it.each(globSync('.github/docs/**/*.md', { cwd: root }))(
  '%s has one title, and links outside of the docs are absolute, because the docs are also a site',
  (page) => {
    const text = prose(readFileSync(join(root, page), 'utf8'));
    expect(text.match(/^# .+$/gm)).toHaveLength(1);
    for (const link of linksOf(text).filter((each) => !/^\w+:|^#/.test(each) && !each.endsWith('.png')))
      expect(relative('.github/docs', join(dirname(page), link)), link).not.toMatch(/^\.\./);
  },
);

it.each(['README.md', ...globSync('.github/docs/**/*.md', { cwd: root })])(
  'each block of TypeScript in %s names its file, so that it is compiled, and run if it is a program',
  (page) => expect(readFileSync(join(root, page), 'utf8')).not.toMatch(/^```ts$/m),
);

/** Without code, which may look like a link or a heading. */
function prose(text: string): string {
  return text
    .replaceAll(/^(```+)[\s\S]*?^\1$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]#]/g, ''));
}

function linksOf(text: string): string[] {
  return [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
}

/** As GitHub makes them of headings. */
function anchorsOf(file: string): string[] {
  return [...prose(readFileSync(file, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
