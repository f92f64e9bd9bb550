/** Progress from events: on a terminal one line, redrawn; elsewhere one line per function. And what ran where, at the end. */
import type { Handoff } from '../../lib/index.ts';

/** @param functions how many functions the DAG has */
export function showProgress(handoff: Handoff, functions: number): { close(): void } {
  const { stderr } = process;
  const running = new Set<string>();
  let total = functions;
  let done = 0;
  const draw = (): void => {
    const bar = '━'.repeat(Math.round((done / total) * 22)).padEnd(22, '·');
    stderr.write(`\r\u001b[K${bar} ${done}/${total}  ${[...running].join(', ')}`.slice(0, stderr.columns + 4));
  };
  // A map gives way to its elements, once their number is known.
  handoff.on('run:grown', ({ count }) => void (total += count - 1));
  handoff.on('function:started', ({ functionId }) => {
    running.add(functionId);
    if (stderr.isTTY) draw();
  });
  handoff.on('function:finished', ({ functionId, node, durationMs }) => {
    running.delete(functionId);
    done++;
    if (stderr.isTTY) draw();
    else stderr.write(`[${done}/${total}] ${functionId} on ${node} in ${Math.round(durationMs)} ms\n`);
  });
  return { close: () => void (stderr.isTTY && stderr.write('\r\u001b[K')) };
}

/** One line per function of the DAG: the nodes on which it ran, and how often, if it is a map. */
export function printPlaces(allocations: Readonly<Record<string, string>>): void {
  const places = new Map<string, string[]>();
  for (const [id, node] of Object.entries(allocations)) {
    const name = id.replace(/\[\d+\]$/, '');
    places.set(name, [...(places.get(name) ?? []), node]);
  }
  console.log('\nWhat ran where:');
  for (const [name, nodes] of places) {
    const counts = [...Map.groupBy(nodes, (node) => node)].map(([node, { length }]) => `${node} × ${length}`);
    console.log(`  ${name.padEnd(18)} ${nodes.length === 1 ? nodes[0] : counts.join(', ')}`);
  }
}
