/** Progress from events: on a terminal one line, redrawn; elsewhere one line per function. */
import type { Handoff } from '../../lib/index.ts';

/** @param total how many functions the run has */
export function showProgress(handoff: Handoff, total: number): { close(): void } {
  const { stderr } = process;
  const running = new Set<string>();
  let done = 0;
  const draw = (): void => {
    const bar = '━'.repeat(Math.round((done / total) * 22)).padEnd(22, '·');
    stderr.write(`\r\u001b[K${bar} ${done}/${total}  ${[...running].join(', ')}`.slice(0, stderr.columns + 4));
  };
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
