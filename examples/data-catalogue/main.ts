/** Registers the data files of a package at a catalogue that takes a few requests at a time. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
// In a project of your own: from 'handoffjs'.
import { type Choice, choose, dag, Handoff, tasks, type ValueDag } from '../../lib/index.ts';
import { allowed, startCatalogue } from './catalogue.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
// The package vega-datasets contains data files beside its code.
const folder = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data');

/** list ──► read each ──► register each ──► a report, of tables alone or of both */
function cataloguing(extensions: readonly string[], url: string): ValueDag<{ report: Choice<string> }> {
  const files = t.listFiles(folder, extensions);
  const tables = t.readTable.map(files);
  const entries = t.register.map(tables, url).with({ uses: ['catalogue'] });
  const hasOthers = t.hasOthers(tables);
  const plain = t.report(entries).when(hasOthers, { not: true });
  const both = t.reportBoth(entries).when(hasOthers);
  return dag('catalogue', { report: choose(plain, both) });
}

const catalogue = await startCatalogue();
await using handoff = await Handoff.start({
  // A little less than the service allows: requests of one second may arrive in the next.
  limits: { catalogue: { concurrency: allowed.atOnce, perSecond: allowed.perSecond / 2 } },
});
handoff.on('run:grown', ({ functionId, count }) => {
  console.log(`  ${functionId}: ${count} elements`);
});
handoff.on('function:skipped', ({ functionId }) => {
  console.log(`  ${functionId}: skipped`);
});
for (const extensions of [['.csv', '.tsv'], ['.json']]) {
  console.log(extensions.join(' and '));
  const { report } = await handoff.run(cataloguing(extensions, catalogue.url));
  console.log(report);
}
console.log(`the catalogue has ${catalogue.size} entries, and refused ${catalogue.refused} requests`);
if (catalogue.peak > allowed.atOnce) throw new Error(`The catalogue had ${catalogue.peak} requests at a time.`);
catalogue.close();
