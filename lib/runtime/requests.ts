/** Checks for the arguments and results of requests between hosts. Their types are in request-types.ts. */
import {
  amount,
  any,
  boolean,
  fields,
  is,
  thread,
  list,
  listOf,
  name,
  optional,
  record,
  text,
  whole,
} from '../hosts/cluster/bounds.ts';
import type { RequestChecks } from '../hosts/cluster/requests.ts';

// Limits well above real use.
const maxArgs = 10_000;
const maxActors = 100_000;
const maxNodes = 10_000;
const maxTypes = 1000;

const isNumber = is('number'); // user input, may be Infinity
const parcel = fields({});
const parcels = listOf(parcel, maxArgs);
const actor = fields({ id: name, name: optional(name), node: name });
const exit = fields({ reason: name });

export const requestChecks: RequestChecks = {
  check: { args: [listOf(record)], result: any },
  describe: { args: [record], result: record },
  freeVariables: { args: [text], result: record },
  leave: { args: [], result: any },
  resources: { args: [], result: record },
  overuse: { args: [fields({ node: name, thread, batch: whole, claimedMb: amount, usedMb: amount })], result: any },
  updateCapabilities: { args: [text, record], result: optional(boolean) },
  spawn: { args: [record, fields({ args: parcels })], result: actor },
  ask: { args: [text, text, parcels, optional(isNumber)], result: parcel },
  tell: { args: [text, text, parcels], result: any },
  stopActor: { args: [text], result: any },
  exited: { args: [text], result: exit },
  death: { args: [text, optional(whole)], result: fields({ exit, final: boolean, seen: whole }) },
  names: { args: [listOf(actor, maxActors)], result: any },
  cancel: { args: [text], result: optional(boolean) },
  explain: { args: [text, optional(text)], result: record },
  functionDetail: { args: [text, text], result: record },
  tree: { args: [], result: record },
  activity: { args: [], result: fields({ id: name, nodes: listOf(record, maxNodes) }) },
  getValue: { args: [text, text], result: parcel },
  await: { args: [text, text, isNumber], result: parcel },
  lookup: { args: [text, text], result: optional(name) },
  clear: { args: [text], result: any },
  watch: { args: [isNumber, listOf(name, maxTypes)], result: any },
  deliver: { args: [isNumber, list, whole], result: any },
};
