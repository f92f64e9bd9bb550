/**
 * Property tests draw the same cases in each run of a commit, so that a failure belongs to the change that caused it.
 * The nightly chaos run draws new cases; `PROPERTY_SEED=random` does so anywhere, and `PROPERTY_SEED=<number>` repeats
 * a run.
 */
import fc from 'fast-check';

const given = process.env['PROPERTY_SEED'] ?? (process.env['CHAOS'] === 'full' ? 'random' : '1');
if (given !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(given) });
