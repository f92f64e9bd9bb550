import type { OutputOptions, RolldownOptions, RolldownPlugin } from 'rolldown';

/** The public entry points, by their path in lib/ without extension. */
export declare const modules: readonly string[];

/** The configuration of rolldown for the code of the library. */
export declare function bundleOf(options: {
  /** Where it is written to. */
  readonly dir: string;
  /** Of its files. Default: `js`. */
  readonly extension?: 'js' | 'mjs';
  /** Entries beside those of the package, by their path in lib/ without extension. Default: none. */
  readonly more?: readonly string[];
  /** Beside its own. Default: none. */
  readonly plugins?: readonly RolldownPlugin[];
  /** Default: false. */
  readonly minify?: OutputOptions['minify'];
}): Promise<RolldownOptions & { readonly output: OutputOptions }>;
