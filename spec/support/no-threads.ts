/** Makes a unit spec that starts a thread or a process fail, so that the suite stays sorted by what specs need. */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import workerThreads from 'node:worker_threads';

const refuse = (what: string, kind: string) => (): never => {
  throw new Error(`A unit spec starts ${what}. Name the file *.${kind}.spec.ts.`);
};
for (const name of ['spawn', 'spawnSync', 'fork', 'exec', 'execSync', 'execFile', 'execFileSync'] as const) {
  childProcess[name] = refuse('a process', 'processes') as never;
}
workerThreads.Worker = function Worker() {
  refuse('a thread', 'threads')();
} as never;
syncBuiltinESMExports();
