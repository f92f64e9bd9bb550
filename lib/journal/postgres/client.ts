/** The package that speaks PostgreSQL's protocol. It is optional, so it is loaded when it is needed. */
import type * as Pg from 'pg';
import { optionalPackage } from '../../core/optional-package.ts';

/** @throws `INVALID_OPTION` when the package is missing */
export function loadClient(): Promise<typeof Pg> {
  return optionalPackage('pg', { who: "journal { type: 'postgres' }", option: 'journal' }, () => import('pg'));
}
