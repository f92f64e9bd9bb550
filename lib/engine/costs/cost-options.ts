/** The option `costModel` of `Handoff.start`. */
import { boolean, special, text } from '../../core/option-types.ts';
import { option, optionSet } from '../../core/options.ts';
import { isRecord } from '../../core/values.ts';
import type { CostModelJson } from './cost-json.ts';

/** The option `costModel` of `Handoff.start`. */
export interface CostModelOptions {
  /**
   * A file that is read at start, if it exists, and written by `stop()`. Its modules are named relative to its folder;
   * those of `data` alone, relative to the working directory.
   */
  readonly file?: string | undefined;
  /**
   * What `handoff.costModel()` of another Handoff returned. What `file` says of the same code or function counts more.
   */
  readonly data?: CostModelJson | undefined;
  /** `false`: known costs are used, none are learned, and `file` is not written. Default `true`. */
  readonly learn?: boolean | undefined;
}

export const costModelSchema = optionSet({
  file: option(text('the path of a file'), {
    description: 'A file that is read at start, if it exists, and written by `stop()`.',
    details: 'Its modules are named relative to its folder; those of `data` alone, relative to the working directory.',
    flags: ['--cost-model'],
  }),
  data: option(special<CostModelJson>(isRecord, 'what handoff.costModel() returned'), {
    description: 'What `handoff.costModel()` of another Handoff returned.',
    details: 'What `file` says of the same code or function counts more.',
  }),
  learn: option(boolean, {
    description: '`false`: known costs are used, none are learned, and `file` is not written.',
    default: true,
  }),
});
