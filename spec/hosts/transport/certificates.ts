/** See certificates/make.sh. */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from '../../../lib/hosts/transport/tcp/options.ts';

const read = (name: string): string => readFileSync(new URL(`certificates/${name}.pem`, import.meta.url), 'utf8');

export const ours: TlsOptions = { cert: read('ours'), key: read('ours-key'), ca: read('ca') };
/** Trusts our hosts, and is not one. */
export const foreign: TlsOptions = { cert: read('foreign'), key: read('foreign-key'), ca: read('ca') };
/** Trusts only its like. */
export const elsewhere: TlsOptions = { cert: read('foreign'), key: read('foreign-key'), ca: read('foreign-ca') };
