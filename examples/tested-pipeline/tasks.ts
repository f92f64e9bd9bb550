/** Functions worth a test: two that only compute, one that waits and can be stopped, one that uses its context. */
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
// In a project of your own: from 'handoffjs/task'.
import { context } from '../../lib/task.ts';

/** A monthly price of a share. */
export interface Price {
  readonly symbol: string;
  readonly date: string;
  readonly price: number;
}

/** Reads `symbol,date,price`. @throws RangeError naming the line that is not that */
export async function load(path: string): Promise<Price[]> {
  const [, ...lines] = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line, i) => {
    const [symbol = '', date = '', price = ''] = line.split(',');
    if (symbol === '' || price === '' || Number.isNaN(Number(price)))
      throw new RangeError(`${path}:${i + 2}: expected symbol,date,price, got ${JSON.stringify(line)}`);
    return { symbol, date, price: Number(price) };
  });
}

/** The standard deviation of the monthly changes, in per cent. */
export function volatility(prices: readonly Price[], symbol: string): number {
  const own = prices.filter((each) => each.symbol === symbol).map(({ price }) => price);
  if (own.length < 3) throw new RangeError(`${symbol} has ${own.length} prices; a volatility needs 3.`);
  const changes = own.slice(1).map((price, i) => price / own[i]! - 1);
  const mean = changes.reduce((sum, x) => sum + x, 0) / changes.length;
  return 100 * Math.sqrt(changes.reduce((sum, x) => sum + (x - mean) ** 2, 0) / changes.length);
}

/** Waits its turn, as at an API with a quota, and stops when the run does. */
export async function publish(
  volatilities: readonly number[],
  symbols: readonly string[],
  waitMs: number,
): Promise<string> {
  const { signal, attempt, log } = context();
  if (attempt > 1) log(`attempt ${attempt}`);
  await setTimeout(waitMs, undefined, { signal });
  return symbols.map((symbol, i) => `${symbol} ${volatilities[i]!.toFixed(1)} %`).join('\n');
}
