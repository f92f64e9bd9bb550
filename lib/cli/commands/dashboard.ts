/** `handoff dashboard`: serves a page that shows what a cluster does, until the command is stopped. */
import { type DashboardFlags, dashboardOf } from '../flags/dashboard-flags.ts';
import type { HandoffFlags } from '../flags/flags.ts';
import { onInterrupt } from '../interrupt.ts';
import { withHandoff } from '../start.ts';
import { print, written } from '../output/stdout.ts';

export interface DashboardCommandFlags extends HandoffFlags, DashboardFlags {
  readonly json?: boolean;
}

/** Joins a cluster as a host without nodes and serves the page. Resolves to the exit code when the command ends. */
export async function dashboard({ port, host, tokenFile, json, ...flags }: DashboardCommandFlags): Promise<number> {
  const asked = dashboardOf({
    ...(port !== undefined && { port }),
    ...(host !== undefined && { host }),
    ...(tokenFile !== undefined && { tokenFile }),
  });
  return withHandoff(
    flags,
    'visitor',
    async (handoff) => {
      const interrupt = onInterrupt('closing the dashboard (again to end at once)', () => handoff.stop());
      if (json === true) print(JSON.stringify({ url: handoff.dashboard!.url }));
      await written(); // a script that started the command waits for this line
      const code = await interrupt.ended;
      interrupt.dispose();
      return code;
    },
    asked,
  );
}
