/** One NATS server for all spec files of a run. */
import { type SharedServer, setUp } from './shared-server.ts';

export const shared: SharedServer = { variable: 'HANDOFF_SPEC_NATS', pidFile: 'server.pid', signal: 'SIGTERM' };

export default (): ReturnType<typeof setUp> => setUp(shared);
