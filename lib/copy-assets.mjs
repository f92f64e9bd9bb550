/** The end of the build: what is copied into dist/ as it is, with the licences of packages that are part of it. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { vendor, vendorPath } from './dashboard/assets.ts';

const root = new URL('../', import.meta.url);
const copy = (from, to) => {
  mkdirSync(new URL(`dist/${dirname(to)}/`, root), { recursive: true });
  copyFileSync(new URL(from, root), new URL(`dist/${to}`, root));
};

rmSync(new URL('dist/types', root), { recursive: true });
for (const file of ['index.html', 'style.css']) copy(`lib/dashboard/page/${file}`, `dashboard/page/${file}`);
copy('node_modules/valibot/LICENSE.md', 'chunks/valibot-LICENSE.md');
copy('node_modules/prom-client/LICENSE', 'chunks/prom-client-LICENSE');

// The packages that the page uses. Their source maps stay behind.
for (const [name, file] of Object.entries(vendor)) {
  const to = new URL(`dist/dashboard/${vendorPath(name)}`, root);
  mkdirSync(new URL('.', to), { recursive: true });
  const text = readFileSync(new URL(`node_modules/${file}`, root), 'utf8');
  writeFileSync(to, text.replace(/^\/\/# sourceMappingURL=.*$/m, ''));
}
for (const [name, licence] of [
  ['preact', 'preact/LICENSE'],
  ['htm', 'htm/LICENSE'],
  ['dagre', '@dagrejs/dagre/LICENSE'],
])
  copy(`node_modules/${licence}`, `dashboard/vendor/${name}-LICENSE`);
