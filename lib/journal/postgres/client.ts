/** The package that speaks PostgreSQL's protocol. It is optional, so it is loaded when it is needed. */
import type * as Pg from 'pg';
import { HandoffError } from '../../core/errors.ts';

const clientPackage = 'pg';

/** @throws `INVALID_OPTION` when the package is missing */
export async function loadClient(): Promise<typeof Pg> {
  try {
    return await import('pg');
  } catch (cause) {
    throw new HandoffError(
      'INVALID_OPTION',
      `journal { type: 'postgres' } needs the package ${clientPackage}, which cannot be loaded. Run: npm install ${clientPackage}`,
      { option: 'journal', cause },
    );
  }
}
