/** One PostgreSQL server for all spec files of a run. */
import { type SharedServer, setUp } from '../shared-server.ts';

export const shared: SharedServer = {
  variable: 'HANDOFF_SPEC_POSTGRES',
  pidFile: 'data/postmaster.pid',
  signal: 'SIGQUIT',
};

export default (): ReturnType<typeof setUp> => setUp(shared);
