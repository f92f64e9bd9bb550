/** How much the shares of three companies went up and down, month by month. Its tests are in pipeline.test.ts. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
// In a project of your own: from 'handoffjs'.
import { Handoff } from '../../lib/index.ts';
import { volatilities } from './pipeline.ts';

const stocks = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/stocks.csv');
const handoff = await Handoff.start();
try {
  console.log((await handoff.run(volatilities(stocks, ['AAPL', 'IBM', 'MSFT']))).report);
} finally {
  await handoff.stop();
}
