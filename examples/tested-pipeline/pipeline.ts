/** The DAG, apart from the program that runs it, so that tests can use it. */
// In a project of your own: from 'handoffjs'.
import { dag, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

export function volatilities(path: string, symbols: readonly string[], waitMs = 10) {
  const prices = t.load(path).with({ id: 'load', maxRetries: 0 });
  const each = symbols.map((symbol) =>
    t.volatility(prices, symbol).with({ id: `volatility ${symbol}`, maxRetries: 0, duration: 5 }),
  );
  return dag('volatilities', { report: t.publish(each, symbols, waitMs).with({ id: 'publish', timeout: 5000 }) });
}
