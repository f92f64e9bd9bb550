/** The result of another run as an argument. A reference looks nothing up: that is done when its DAG runs. */
import { notData } from '../core/serializable.ts';
import { neverText } from './refuse-text.ts';
import type { ResultOf } from './types.ts';

declare const referenced: unique symbol;

/** Made by `resultOf`: an argument of a call that takes the result of a function of another run. */
export interface ResultReference<out Value> extends ResultOf {
  /** Exists only in types. */
  readonly [referenced]: Value;
}

export class Reference implements ResultReference<unknown> {
  declare readonly [referenced]: unknown;
  readonly resultOf: ResultOf['resultOf'];

  constructor(runId: string, id: string) {
    this.resultOf = { runId, id };
  }
}

Object.defineProperty(Reference.prototype, notData, {
  value:
    'the result of another run where only plain values may stand (it may be an argument, or an item of a list there)',
});
neverText(Reference.prototype, 'resultOf(…) is', 'pass it as an argument to a function that does this with the value');
