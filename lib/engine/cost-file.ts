/** Where learned costs come from when a Handoff starts, and go to when it stops. */
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nanoid } from 'nanoid/non-secure';
import { HandoffError } from '../core/errors.ts';
import type { CodeList } from '../workers/node/code-registry.ts';
import { LearnedCosts } from '../scheduling/costs/cost-model.ts';
import { shareFrom } from '../workers/store/payload.ts';
import { addJson, faultOf, type LearnedCostsJson, nameOf, toJson } from './cost-json.ts';

/** Learned costs, and how they are kept. */
export interface KeptCosts {
  readonly learned: LearnedCosts;
  /**
   * Writes them to their file, if they have one and something was learned.
   *
   * @throws `INVALID_OPTION` when it cannot be written
   */
  save(): Promise<void>;
}

/**
 * @param option a file, which may not be there yet, or what `learnedCosts()` gave; false: nothing is to be remembered
 * @throws `INVALID_OPTION` when the file cannot be read or written, or there is something else in it
 */
export function openCosts(option: string | LearnedCostsJson | false | undefined, codes: CodeList): KeptCosts {
  if (typeof option !== 'string') {
    const learned = createCosts(codes, process.cwd(), option !== false);
    const fault = option === undefined || option === false ? undefined : faultOf(option);
    if (fault !== undefined) throw new HandoffError('INVALID_OPTION', `Handoff.start: option learnedCosts must be what learnedCosts() gave, but ${fault}.`, { option: 'learnedCosts' });
    if (option !== undefined && option !== false) addJson(learned, option);
    return { learned, save: () => Promise.resolve() };
  }
  const file = locate(option);
  const learned = createCosts(codes, dirname(file));
  const json = read(option, file);
  if (json !== undefined) addJson(learned, json);
  return {
    learned,
    async save() {
      if (!learned.isChanged) return;
      await write(file, toJson(learned)).catch((cause: unknown) => {
        throw refused(option, `cannot be written: ${messageOf(cause)}`);
      });
    },
  };
}

/** Modules are named as they lie about the folder of the file, so that it can go to another machine with them. */
function createCosts(codes: CodeList, folder: string, remembers = true): LearnedCosts {
  return new LearnedCosts((code) => nameOf(codes.wire(code), folder), { remembers, largeBytes: shareFrom });
}

/** The file itself, where it is a link. */
function locate(option: string): string {
  const path = resolve(option);
  const folder = dirname(path);
  try {
    accessSync(folder, constants.W_OK); // known now, not after hours of work
  } catch (cause) {
    throw refused(option, `cannot be written there: ${messageOf(cause)}`);
  }
  try {
    return realpathSync(path);
  } catch {
    return join(realpathSync(folder), basename(path));
  }
}

function read(option: string, file: string): LearnedCostsJson | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refused(option, `cannot be read: ${messageOf(cause)}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(option, `it is not JSON: ${messageOf(cause)}`);
  }
  const fault = faultOf(json);
  if (fault !== undefined) throw damaged(option, fault);
  return json as LearnedCostsJson;
}

/** Whoever reads it meanwhile sees the old one or the new one, and so does the next start after a crash. */
async function write(file: string, json: LearnedCostsJson): Promise<void> {
  const draft = `${file}.${process.pid}-${nanoid(6)}.tmp`;
  try {
    await writeFile(draft, `${JSON.stringify(json)}\n`, { flush: true });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

function damaged(option: string, fault: string): HandoffError {
  return refused(option, `does not hold learned costs: ${fault}. It was left as it is: move it away to begin anew, or name another file`);
}

function refused(option: string, why: string): HandoffError {
  return new HandoffError('INVALID_OPTION', `Handoff.start: option learnedCosts: ${option} ${why}.`, { option: 'learnedCosts' });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
