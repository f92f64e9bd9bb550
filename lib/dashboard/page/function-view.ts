/** The view of a function built from the page's own data: reports of large runs do not contain every function view. */
import type { FunctionView } from '../protocol.ts';
import { type RunData, State, stateNames } from './run-data.ts';

export function viewFromData(data: RunData, fn: number): FunctionView {
  const { graph } = data;
  const track = data.tracks[data.track[fn]!];
  const live = data.live.find((one) => one.fn === fn && data.states[fn] === State.running);
  const known = (value: number): number | null => (Number.isNaN(value) ? null : value);
  return {
    id: graph.ids[fn]!,
    name: data.nameOf(fn),
    module: null,
    state: stateNames[data.states[fn]!]!,
    node: live?.node ?? track?.node ?? null,
    thread: live?.thread ?? track?.thread ?? null,
    attempts: data.attempts[fn]!,
    begun: live?.since ?? known(data.begun[fn]!),
    ended: live === undefined ? known(data.ended[fn]!) : null,
    bytes: 0,
    cost: graph.costs[graph.cost[fn]!] ?? null,
    args: graph.deps[fn]!.map((dep) => ({ result: graph.ids[dep]!, bytes: 0 })),
    dependents: data.dependentsOf(fn).map((dependent) => graph.ids[dependent]!),
    error: null,
    explain: null,
  };
}
