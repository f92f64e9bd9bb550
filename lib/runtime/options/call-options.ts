/** The options of `stop` and `getResult`. */
import { milliseconds, oneOf } from '../../core/option-types.ts';
import { option, optionSet } from '../../core/options.ts';

export interface StopOptions {
  /**
   * What may finish: `'runs'`, only the `'functions'` that run now, or nothing (`false`). Runs that cannot finish
   * reject with `STOPPED`. Default `'runs'`.
   */
  readonly drain?: 'runs' | 'functions' | false | undefined;
}

export interface ResultOptions {
  /** How long to wait for the result, in ms. Default 5,000 ms. */
  readonly timeout?: number | undefined;
}

export const stopSchema = optionSet({
  drain: option(oneOf('runs', 'functions', false), {
    description: "What may finish: `'runs'`, only the `'functions'` that run now, or nothing (`false`).",
    details: 'Runs that cannot finish reject with `STOPPED`.',
    default: 'runs',
  }),
});

export const resultSchema = optionSet({
  timeout: option(milliseconds, { description: 'How long to wait for the result', default: 5000 }),
});
