/**
 * `npm run docs`: the docs as a site, in `dist/` beside this file. TypeDoc makes the reference of the API from docstrings,
 * and pages from copies of the guides and of the examples' READMEs. A link that leads nowhere fails the build.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

const here = import.meta.dirname;
const root = join(here, '../..');
const pages = join(here, 'pages');
const repository = 'https://github.com/handoffjs/handoff';
const inRepository = new RegExp(`^${repository}/(?:blob|tree)/main/`);

/** What comes first within its folder; what is not named follows, by name. */
const order = [
  'start',
  'concepts',
  'guides',
  'writing-dags',
  'resources-and-placement',
  'failures-and-retries',
  'graphs-that-grow',
  'functions-that-wait',
  'large-data',
  'actors',
  'many-hosts',
  'durable-runs',
  'observing',
  'testing',
  'reference',
  'api',
  'options',
  'events',
  'errors',
  'examples',
  'getting-started',
  'benchmarks',
  'internals',
  'comparison',
  'migrating',
];
const rank = (file: string): number => {
  const at = order.indexOf(basename(file, '.md'));
  return at < 0 ? order.length : at;
};
const inOrder = (files: readonly string[]): string[] => files.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

rmSync(pages, { recursive: true, force: true });
rmSync(join(here, 'dist'), { recursive: true, force: true });
cpSync(join(root, '.github/images'), join(pages, 'images'), { recursive: true });

/** By its path in the repository: where the page stands in `pages`. */
const places = new Map<string, string>();
for (const file of globSync('.github/docs/**/*.md', { cwd: root }))
  places.set(file, join('docs', relative('.github/docs', file)));
for (const name of readdirSync(join(root, 'examples')))
  if (!name.includes('.')) places.set(`examples/${name}/README.md`, `docs/examples/${name}.md`);
places.set('CHANGELOG.md', 'docs/changelog.md');
for (const [file, place] of places) write(place, page(file, place));

const index = join(root, 'examples/README.md');
places.set('examples/README.md', 'docs/examples.md');
const folders = { guides: 'Guides', reference: 'Reference', examples: 'Examples' };
for (const [folder, title] of Object.entries(folders)) {
  const files = inOrder([...places.values()].filter((place) => dirname(place) === `docs/${folder}`));
  const lines = files.map((file) => `- [${titleOf(file)}](${folder}/${basename(file)})`);
  const body = folder === 'examples' ? exampleIndex() : `# ${title}\n\n${lines.join('\n')}\n`;
  write(
    `docs/${folder}.md`,
    `---\ntitle: ${title}\nchildren:\n${files.map((file) => `  - ./${folder}/${basename(file)}`).join('\n')}\n---\n\n${body}`,
  );
}
const readme = readFileSync(join(root, 'README.md'), 'utf8').replace(/^# .+\n+/, ''); // TypeDoc writes the title itself
write('README.md', withPlaces(readme, 'README.md', 'README.md'));

const top = inOrder(globSync('docs/*.md', { cwd: pages }));
const { status } = spawnSync(
  process.execPath,
  [
    join(here, 'node_modules/typedoc/bin/typedoc'),
    ...['--options', join(here, 'typedoc.json'), '--readme', join(pages, 'README.md')],
    ...top.flatMap((file) => ['--projectDocuments', join(pages, file)]),
  ],
  { stdio: 'inherit', cwd: root },
);
process.exitCode = status ?? 1;
for (const fault of status === 0 ? brokenLinks(join(here, 'dist')) : []) {
  console.error(fault);
  process.exitCode = 1;
}

function write(place: string, text: string): void {
  mkdirSync(join(pages, dirname(place)), { recursive: true });
  writeFileSync(join(pages, place), text);
}

function exampleIndex(): string {
  const text = withPlaces(readFileSync(index, 'utf8'), 'examples/README.md', 'docs/examples.md');
  return text.replaceAll('../.github/images/', '../images/');
}

function titleOf(place: string): string {
  return /^title: "?(.+?)"?$/m.exec(readFileSync(join(pages, place), 'utf8'))![1]!;
}

/** The page with its title in front matter, and with links that hold where it stands. */
function page(file: string, place: string): string {
  const text = readFileSync(join(root, file), 'utf8');
  const [, title] = /^# (.+)$/m.exec(text)!;
  const body = text.replaceAll(/^(```+\w+) file=(\S+)$/gm, '**$2**\n\n$1');
  return `---\ntitle: "${title}"\n---\n\n${withPlaces(body, file, place)}`;
}

/** Pages of the site are linked as such, and all other files of the repository where GitHub shows them. */
function withPlaces(text: string, file: string, place: string): string {
  return text.replaceAll(/\]\(([^)\s]+)\)/g, (whole, link: string) => {
    if (/^#|\.png$/.test(link) || (/^\w+:/.test(link) && !inRepository.test(link))) return whole;
    const [path = '', anchor] = link.split('#');
    const target = inRepository.test(path) ? path.replace(inRepository, '') : join(dirname(file), path);
    const there = places.get(target) ?? places.get(`${target}/README.md`);
    const suffix = anchor === undefined ? '' : `#${anchor}`;
    return there === undefined
      ? `](${repository}/blob/main/${target}${suffix})`
      : `](${relative(dirname(place), there)}${suffix})`;
  });
}

/** Links and images of the built pages that lead to no file, or to no place within it. */
function brokenLinks(site: string): string[] {
  const built = new Map(
    globSync('**/*.html', { cwd: site }).map((file) => [file, readFileSync(join(site, file), 'utf8')] as const),
  );
  const idsOf = new Map<string, ReadonlySet<string>>();
  const hasId = (file: string, id: string): boolean => {
    let ids = idsOf.get(file);
    if (ids === undefined)
      idsOf.set(file, (ids = new Set([...built.get(file)!.matchAll(/ id="([^"]+)"/g)].map(([, each]) => each!))));
    return ids.has(id);
  };
  return [...built].flatMap(([file, html]) =>
    [...html.matchAll(/ (?:href|src)="([^"]*)"/g)].flatMap(([, link]) => {
      const [path = '', anchor = ''] = decodeURI(link!).split('#');
      if (/^(?:\w+:|\/\/)/.test(path)) return [];
      const target = path === '' ? file : join(dirname(file), path);
      if (!existsSync(join(site, target))) return [`${file}: ${link} leads to no file`];
      const isFound = anchor === '' || !built.has(target) || hasId(target, anchor);
      return isFound ? [] : [`${file}: ${link} leads to no heading`];
    }),
  );
}
