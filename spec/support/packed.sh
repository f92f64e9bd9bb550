#!/usr/bin/env bash
# The packed tarball, installed in a folder outside the repository: the library and the command run from there.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

tarball=$(cd "$repo" && npm pack --silent --ignore-scripts --pack-destination "$folder")
cd "$folder"
cat > package.json <<'JSON'
{ "name": "user", "private": true, "type": "module" }
JSON
npm install --silent --no-audit --no-fund --prefer-offline "./$tarball"

# The budget: what a user downloads and keeps on disk. Raise it only for a reason that is worth it to every user.
"$repo/node_modules/.bin/node" --input-type=module - "$tarball" <<'JS'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
const files = readdirSync('node_modules', { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(`${parentPath}/${name}`).size, 0);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const is = { tarballKB: statSync(process.argv[2]).size / 1e3, installedMB: bytes / 1e6, packages: Object.keys(packages).filter((path) => path !== '' && existsSync(path)).length };
const most = { tarballKB: 1600, installedMB: 11, packages: 35 };
console.log(Object.entries(is).map(([name, value]) => `${name}: ${Math.round(value * 10) / 10} of ${most[name]}`).join(', '));
if (Object.keys(most).some((name) => is[name] > most[name])) throw new Error('The package is larger than its budget.');
JS

cat > tasks.js <<'JS'
import { context } from 'handoffjs/task';
export const load = async () => [3, 1, 2];
export const total = (rows) => rows.reduce((sum, each) => sum + each, 0);
export const who = () => context().functionId;
export class Sum { total = 0; add(n) { return (this.total += n); } }
JS
cat > dag.js <<'JS'
import { dag, fromSource, tasks } from 'handoffjs';
export const t = tasks(new URL('./tasks.js', import.meta.url));
export default dag('packed', { sum: t.total(t.load()), who: t.who().with({ id: 'me' }), twice: fromSource((x) => x * 2)(t.total([4, 5])) });
JS
cat > main.js <<'JS'
import assert from 'node:assert/strict';
import { dag, Handoff, HandoffError } from 'handoffjs';
import packed, { t } from './dag.js';
const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 2 } }], dashboard: { port: 0 } });
for (const path of ['', 'page/main.js', 'page/style.css', 'protocol.js', 'vendor/preact.js', 'metrics']) assert.equal((await fetch(handoff.dashboard.url + path)).status, 200, path);
assert.deepEqual(await handoff.run(packed), { sum: 6, who: 'me', twice: 18 });
await assert.rejects(handoff.run(dag('bad', t.nope())), (error) => error instanceof HandoffError && error.code === 'FUNCTION_NOT_FOUND');
const sum = await handoff.spawn(t.Sum, { name: 'sum' });
assert.equal(await sum.ask.add(2), 2);
const { collectMetrics } = await import('handoffjs/metrics');
const metrics = collectMetrics(handoff);
await handoff.run(packed);
assert.match(await metrics.text(), /handoff_runs_started_total 1\n/);
metrics.stop();
await handoff.stop();
// What only some users need is not installed, and says so.
const missing = (name) => ({ code: 'INVALID_OPTION', message: new RegExp(`needs the package ${name}.*npm install ${name}`) });
await assert.rejects(import('handoffjs/otel'), missing('@opentelemetry/api'));
await assert.rejects(Handoff.start({ journal: { type: 'postgres', url: 'postgres://a@127.0.0.1/a' } }), missing('pg'));
await assert.rejects(Handoff.start({ transport: { type: 'nats', servers: '127.0.0.1' } }), missing('@nats-io/transport-node'));
const { simulate } = await import('handoffjs/simulate');
assert.equal(simulate(packed, { nodes: [{ name: 'a', capabilities: { cpu: 1 } }] }).outcome.ok, true);
JS
node="$repo/node_modules/.bin/node"
"$node" main.js
test "$("$node" node_modules/.bin/handoff run dag.js --no-progress)" = $'sum: 6\nwho: me\ntwice: 18'
test "$(npx handoff --version)" != ''

# Other ways to load it: CommonJS, a workspace with a hoisted copy, a path with blanks and umlauts, and bundles.
mkdir -p 'workspace/node_modules' 'workspace/packages/jobs' 'workspace/packages/Büro mit Leerzeichen'
cp tasks.js workspace/packages/jobs/index.js
echo '{ "name": "@user/jobs", "version": "1.0.0", "type": "module", "exports": "./index.js" }' > workspace/packages/jobs/package.json
mkdir -p workspace/node_modules/@user && ln -s ../../packages/jobs workspace/node_modules/@user/jobs
cd 'workspace/packages/Büro mit Leerzeichen'
echo '{ "name": "app", "private": true }' > package.json
cat > tasks.js <<'JS'
exports.load = async () => [3, 1, 2];
exports.total = (rows) => rows.reduce((sum, each) => sum + each, 0);
JS
cat > main.cjs <<'JS'
const assert = require('node:assert/strict');
const { pathToFileURL } = require('node:url');
const { dag, Handoff, tasks } = require('handoffjs');
const own = tasks(pathToFileURL(require.resolve('./tasks.js')));
const jobs = tasks('@user/jobs');
module.exports = dag('loaded', { own: own.total(own.load()), jobs: jobs.total(jobs.load()) });
(async () => {
  assert.equal((await import('handoffjs')).Handoff, Handoff);
  const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
  assert.deepEqual(await handoff.run(module.exports), { own: 6, jobs: 6 });
  await handoff.stop();
})();
JS
"$node" main.cjs
cat > bundled.mjs <<'JS'
import { dag, Handoff, tasks } from 'handoffjs';
const t = tasks(new URL('./index.js', import.meta.url));
const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
console.log(await handoff.run(dag('bundled', { sum: t.total(t.load()) })));
await handoff.stop();
JS
"$repo/node_modules/.bin/rolldown" bundled.mjs ../jobs/index.js --platform node --external handoffjs --external handoffjs/task --dir out --log-level warn
echo '{ "type": "module" }' > out/package.json
test "$("$node" out/bundled.js)" = '{ sum: 6 }'
# Threads need the files of the package: a bundle that has swallowed it says what to do.
"$repo/node_modules/.bin/rolldown" bundled.mjs --platform node --external pg --external /^@/ --dir swallowed --log-level silent
echo '{ "type": "module" }' > swallowed/package.json
if "$node" swallowed/bundled.js 2> swallowed/errors; then echo 'a bundle of the whole runs'; exit 1; fi
grep -q 'leave the package external' swallowed/errors || { cat swallowed/errors; exit 1; }

# A project of `handoff init` in such a folder, in TypeScript that is not built: the program, the command, node:test and Vitest, tsx and esbuild.
# tsx brings esbuild. Vitest is linked from the repository, because it is large.
"$node" "$folder/node_modules/handoffjs/dist/cli/bin.js" init 'Mein Projekt' &> init.log
cd 'Mein Projekt'
mkdir node_modules
ln -s "$folder/node_modules/handoffjs" node_modules/handoffjs
ln -s "$repo/node_modules/vitest" node_modules/vitest
test "$("$node" main.ts pipeline.ts | wc -l)" = 5
test "$("$node" node_modules/handoffjs/dist/cli/bin.js run pipeline.ts --no-progress --json -- tasks.ts | "$node" -p 'JSON.parse(fs.readFileSync(0)).results.top.length')" = 5
"$node" --test > node-test.log || { cat node-test.log; exit 1; }
cat > vitest.test.ts <<'TS'
import { Handoff } from 'handoffjs';
import { expect, it } from 'vitest';
import { wordsOf } from './pipeline.ts';
it('runs the DAG', async () => {
  const handoff = await Handoff.start({ nodes: [{ name: 'test', capabilities: { cpu: 1 } }] });
  expect((await handoff.run(wordsOf(['tasks.ts']))).top).toHaveLength(5);
  await handoff.stop();
});
TS
"$node" "$repo/node_modules/vitest/vitest.mjs" run vitest.test.ts > vitest.log 2>&1 || { cat vitest.log; exit 1; }
tools="$folder/tools"
mkdir "$tools"
npm install --silent --no-audit --no-fund --prefer-offline --prefix "$tools" tsx
test "$("$node" "$tools/node_modules/tsx/dist/cli.mjs" main.ts pipeline.ts | wc -l)" = 5
"$tools/node_modules/.bin/esbuild" --bundle --platform=node --format=esm --external:handoffjs --outdir=built --log-level=warning main.ts tasks.ts
test "$("$node" built/main.js pipeline.ts | wc -l)" = 5
cd "$folder"

cat > typed.ts <<'TS'
import { dag, Handoff, tasks, type HandoffEvent } from 'handoffjs';
import { collectMetrics, type Metrics } from 'handoffjs/metrics';
import { traceRuns } from 'handoffjs/otel';
import { context } from 'handoffjs/task';
const t = tasks<{ half(x: number): number }>(new URL('file:///tasks.js'));
const handoff: Handoff = await Handoff.start();
const half: number = await handoff.run(dag('d', t.half(2)));
handoff.on('event', (event: HandoffEvent) => console.log(event.type, half, context().attempt));
const metrics: Metrics = collectMetrics(handoff, { buckets: [0.1, 1] });
traceRuns(handoff, { attributes: { team: metrics.contentType } });
// @ts-expect-error a text is no number
t.half('2');
TS
# The types are checked too, as a project does that has neither the DOM nor what we build with.
# Compilers of other versions are installed here, because their `tsc` would take the place of the project's own.
npm install --silent --no-save --no-audit --no-fund --prefer-offline typescript-5.8@npm:typescript@~5.8.3 typescript-5.9@npm:typescript@~5.9.3 typescript-6@npm:typescript@^6.0.0
# The types of handoffjs/otel are a peer's; those of prom-client need not be there.
mkdir -p node_modules/@opentelemetry
cp -rL "$repo/node_modules/@opentelemetry/api" node_modules/@opentelemetry/
"$node" --input-type=module -e "await import('handoffjs/otel')"
checkTypes() {
  # shellcheck disable=SC2086
  "$node" "$1/bin/tsc" --noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false --module $2 --target es2024 --lib es2024,esnext.disposable --types node --typeRoots "$repo/node_modules/@types" typed.ts \
    || { echo "the types do not check with $1, $2"; return 1; }
}
export -f checkTypes
export node repo
for compiler in node_modules/typescript-5.8 node_modules/typescript-5.9 node_modules/typescript-6 "$repo/node_modules/typescript"; do
  for mode in 'node16 --moduleResolution node16' 'nodenext' 'esnext --moduleResolution bundler'; do printf '%s\0%s\0' "$compiler" "$mode"; done
done | xargs -0 -n 2 -P "$(nproc 2>/dev/null || echo 2)" bash -c 'checkTypes "$@"' bash
if grep -rlE "comlink|startTuned|overviewOf" node_modules/handoffjs/dist --include=*.d.ts; then echo 'an internal is named by the types'; exit 1; fi
echo "the packed package works"
