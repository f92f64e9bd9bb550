/** Loads learned costs at the start of a Handoff and saves them at its end. */
import { messageOf } from '../../core/message-of.ts';
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nanoid } from 'nanoid/non-secure';
import { HandoffError } from '../../core/errors.ts';
import type { CodeRegistry } from '../../workers/node/code-registry.ts';
import { CostModel } from '../../scheduling/costs/cost-model.ts';
import { minSharedBytes } from '../../workers/store/payload.ts';
import { addJson, type CostModelJson, faultOf, nameOf, toJson } from './cost-json.ts';
import type { CostModelOptions } from './cost-options.ts';

/** Learned costs and how to save them. */
export interface KeptCosts {
  readonly learned: CostModel;
  /**
   * Writes the costs to their file, if there is one and something was learned.
   *
   * @throws `INVALID_OPTION` when the file cannot be written
   */
  save(): Promise<void>;
}

/**
 * @param option its file may not exist yet
 * @throws `INVALID_OPTION` when `data` is no cost model, or the file is none, cannot be read, or could not be written
 */
export function openCosts({ file: given, data, learn = true }: CostModelOptions, codes: CodeRegistry): KeptCosts {
  const fault = data === undefined ? undefined : faultOf(data);
  if (fault !== undefined)
    throw new HandoffError(
      'INVALID_OPTION',
      `Handoff.start: costModel: option data must be what costModel() returned, but ${fault}.`,
      { option: 'data' },
    );
  const file = given === undefined ? undefined : locate(given, learn);
  const learned = createCosts(codes, file === undefined ? process.cwd() : dirname(file), learn);
  if (data !== undefined) addJson(learned, data);
  const json = given === undefined || file === undefined ? undefined : read(given, file);
  if (json !== undefined) addJson(learned, json);
  return {
    learned,
    async save() {
      if (given === undefined || file === undefined || !learn || !learned.isChanged) return;
      await write(file, toJson(learned)).catch((cause: unknown) => {
        throw refused(given, `cannot be written: ${messageOf(cause)}`);
      });
    },
  };
}

/**
 * Module paths are relative to the folder of the file, so that the file can move to another machine together with them.
 */
function createCosts(codes: CodeRegistry, folder: string, learns: boolean): CostModel {
  return new CostModel((code) => nameOf(codes.wire(code), folder), { learns, largeBytes: minSharedBytes });
}

/** The target, if the path is a symbolic link. */
function locate(option: string, learn: boolean): string {
  const path = resolve(option);
  const folder = dirname(path);
  try {
    if (learn) accessSync(folder, constants.W_OK); // fails now instead of after hours of work
  } catch (cause) {
    throw refused(option, `cannot be written there: ${messageOf(cause)}`);
  }
  try {
    return realpathSync(path);
  } catch {
    return learn ? join(realpathSync(folder), basename(path)) : path;
  }
}

function read(option: string, file: string): CostModelJson | undefined {
  let text: string | undefined;
  try {
    // A device may never end, and cannot be replaced by a new file.
    const stats = statSync(file);
    if (stats.isFile() || stats.isDirectory()) text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refused(option, `cannot be read: ${messageOf(cause)}`);
  }
  if (text === undefined) throw refused(option, 'is a device or a pipe. Name a regular file');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(option, `it is not JSON: ${messageOf(cause)}`);
  }
  const fault = faultOf(json);
  if (fault !== undefined) throw damaged(option, fault);
  return json as CostModelJson;
}

/** Atomic: a concurrent reader, or the next start after a crash, sees the old or the new file. */
async function write(file: string, json: CostModelJson): Promise<void> {
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
  return refused(
    option,
    `is no cost model: ${fault}. The file was not changed. Move it away to start from scratch, or name another file`,
  );
}

function refused(option: string, why: string): HandoffError {
  return new HandoffError('INVALID_OPTION', `Handoff.start: costModel: file ${option} ${why}.`, { option: 'file' });
}
