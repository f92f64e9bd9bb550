import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('..', import.meta.url);
const page = readFileSync(new URL('spec/CONFORMANCE.md', root), 'utf8');
const rows = [...page.matchAll(/^\| (?!origin \||-)(.+?) \| (.+?) \|$/gm)].map(
  ([, origin, here]) => [origin!, here!] as const,
);

it('lists every test of the origin but those of streams, and those that concern several nodes twice', () => {
  const oneHost = 15 + 5 + 6 + 8 + 11 + 4 + 11 + 20;
  const severalHosts = 20 + 8 + 5 + 9 + 4;
  expect(rows).toHaveLength(oneHost + severalHosts);
});

it.each(rows)('%s', (_, here) => {
  const [, file, rest] = /^(spec\/\S+\.ts): (.+)$/.exec(here) ?? [];
  expect(file, `${here} names no spec`).toBeDefined();
  expect(existsSync(new URL(file!, root)), `${file} does not exist`).toBe(true);
  const title = rest!.replace(/ \(differs: .*\)$/, '');
  const source = readFileSync(new URL(file!, root), 'utf8').replaceAll("\\'", "'");
  expect(source, `${file} has no spec of that title`).toContain(title);
});
