import { ThreadWorker } from 'poolifier';
import call from '../tasks.ts';

export default new ThreadWorker((data) => call(data as Parameters<typeof call>[0]));
