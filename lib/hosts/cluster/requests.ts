/**
 * The requests between hosts: arguments and result of each method, with their checks. Other wings add theirs by merging
 * with `Requests`; `lib/runtime/requests.ts` contains the checks of all.
 */
import type { ModuleDescription, SourceDescription } from '../../workers/node/wire.ts';
import type { Check } from './bounds.ts';
import type { CodeName } from './code-identity.ts';
import { protocolError } from '../../core/protocol-error.ts';

export interface Request<Args extends readonly unknown[], Result> {
  readonly args: Args;
  readonly result: Result;
}

export interface Requests {
  /** Checks that code is the same there. */
  readonly check: Request<[names: readonly CodeName[]], void>;
  readonly describe: Request<[module: CodeName], ModuleDescription>;
  readonly freeVariables: Request<[source: string], SourceDescription>;
}

export type Method = keyof Requests;
export type ArgsOf<Name extends Method> = Requests[Name]['args'];
export type ResultOf<Name extends Method> = Requests[Name]['result'];

export interface RequestCheck {
  /** By position. Trailing ones that accept `undefined` may be missing. */
  readonly args: readonly Check[];
  readonly result: Check;
}

export type RequestChecks = { readonly [Name in Method]: RequestCheck };

/** @throws `PROTOCOL_ERROR` when the method is unknown or an argument is not valid */
export function checkRequest(
  checks: RequestChecks,
  method: string,
  args: readonly unknown[],
): asserts method is Method {
  const check = Object.hasOwn(checks, method) ? checks[method as Method] : undefined;
  if (check === undefined)
    throw protocolError(`A peer sent request ${JSON.stringify(method.slice(0, 100))}, which this host does not know.`);
  if (args.length > check.args.length || !check.args.every((holds, k) => holds(args[k])))
    throw protocolError(`A peer sent request ${method} with arguments that are not valid.`);
}

/** @throws `PROTOCOL_ERROR` when the result is not valid */
export function checkResult(checks: RequestChecks, method: Method, result: unknown): void {
  if (!checks[method].result(result))
    throw protocolError(`A peer answered request ${method} with a result that is not valid.`);
}
