import workerpool from 'workerpool';
import call from '../tasks.ts';

workerpool.worker({ call });
