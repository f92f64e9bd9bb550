/** See certificates/make.sh. */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from '../../../lib/hosts/transport/tcp/schema.ts';

const read = (name: string): string => readFileSync(new URL(`certificates/${name}.pem`, import.meta.url), 'utf8');

export const ours: TlsOptions = { cert: read('ours'), key: read('ours-key'), ca: read('ca') };
/** Trusts our hosts, and is not one. */
export const foreign: TlsOptions = { cert: read('foreign'), key: read('foreign-key'), ca: read('ca') };
/** Trusts only its like. */
export const elsewhere: TlsOptions = { cert: read('foreign'), key: read('foreign-key'), ca: read('foreign-ca') };
/** Of our authority, but at another time. */
export const expired: TlsOptions = { cert: read('expired'), key: read('expired-key'), ca: read('ca') };
export const future: TlsOptions = { cert: read('future'), key: read('future-key'), ca: read('ca') };
/** Signed by itself. */
export const selfSigned: TlsOptions = { cert: read('own'), key: read('own-key'), ca: read('ca') };
/** For a server at 127.0.0.1; its own authority. */
export const server = { cert: read('server'), key: read('server-key'), ca: read('server') };
