/**
 * What modules are called between hosts: where they lie relative to a host's root, or as packages. Each host has its own copy of the code, as
 * in a cluster of Erlang nodes; that the copies are the same, a hash of their content says.
 */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HandoffError } from '../../core/errors.ts';
import type { CodeWire } from '../../workers/node/wire.ts';

/** Code as hosts tell each other of it. */
export type CodeName =
  /** `path` with `/`, relative to the root. */
  | { readonly path: string; readonly hash: string; readonly export: string }
  | { readonly package: string; readonly export: string }
  | { readonly source: string; readonly name: string };

export class ModuleNames {
  readonly #root: string;
  readonly #allowSource: boolean;
  readonly #locate: (specifier: string) => string;

  /**
   * @param root the folder that paths of modules are relative to
   * @param allowSource whether source text of others may be run here
   * @param locate gives the URL of a package
   */
  constructor(root: string, allowSource: boolean, locate: (specifier: string) => string) {
    this.#root = root;
    this.#allowSource = allowSource;
    this.#locate = locate;
  }

  /** The name of some code of ours. @throws `FUNCTION_NOT_FOUND` when other hosts could not find it */
  nameOf(code: CodeWire): CodeName {
    if ('source' in code) return code;
    if (isPackage(code.module)) return { package: code.module, export: code.export };
    if (!/^(file:|\/)/.test(code.module) && !isAbsolute(code.module)) throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${code.module} is neither a file nor a package, and not for other hosts.`, { module: code.module });
    const path = relative(this.#root, fileURLToPath(code.url));
    if (isOutside(path)) {
      throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${code.module} lies outside ${this.#root}, so that other hosts cannot find it. Give a root that holds it (option root of the transport).`, { module: code.module });
    }
    return { path: path.split(sep).join('/'), hash: hashOf(code.url), export: code.export };
  }

  /**
   * Code of others, as it is here.
   *
   * @param from the host that named it, for messages
   * @throws `VERSION_MISMATCH`, `FUNCTION_NOT_FOUND`; `UNAUTHORIZED` for source text that is not to be run here
   */
  find(name: CodeName, from: string, here: string): CodeWire {
    if ('source' in name) {
      if (this.#allowSource) return name;
      throw new HandoffError('UNAUTHORIZED', `Host ${here} runs no source text of others (inline()), unless it is started with allowSource. Export ${name.name} from a module instead.`);
    }
    if ('package' in name && !isPackage(name.package)) throw new HandoffError('FUNCTION_NOT_FOUND', `${name.package} is no package.`, { module: name.package });
    if ('package' in name) return { url: this.#locate(name.package), module: name.package, export: name.export };
    const file = join(this.#root, name.path);
    if (isOutside(relative(this.#root, file)) || this.#leadsOut(file)) {
      throw new HandoffError('FUNCTION_NOT_FOUND', `Module ${name.path} lies outside the root of host ${here}, or is a link that leads out of it. Put it below the root.`, { module: name.path });
    }
    const url = pathToFileURL(file).href;
    const hash = hashOf(url, () => new HandoffError('FUNCTION_NOT_FOUND', `Host ${here} has no module ${name.path} below ${this.#root}.`, { module: name.path }));
    if (hash === name.hash) return { url, module: url, export: name.export };
    throw new HandoffError('VERSION_MISMATCH', `Module ${name.path} is not the same on host ${here} as on host ${from}. Bring both to the same version.`, { module: name.path, hosts: [from, here] });
  }

  /** Whether a file below the root is really elsewhere, by links. What is not there leads nowhere. */
  #leadsOut(file: string): boolean {
    try {
      return isOutside(relative(realpathSync(this.#root), realpathSync(file)));
    } catch {
      return false;
    }
  }
}

/** Whether a path relative to a folder leads out of it. A folder may be called `..data`, as in volumes of Kubernetes. */
function isOutside(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
}

/** Whether it is a bare specifier: no URL, with which text could be sent as code, no built-in, and no way out of where packages are. */
function isPackage(specifier: string): boolean {
  return /^(@[\w.~-]+\/)?[\w~-][\w.~-]*(\/[\w.~-]+)*$/.test(specifier) && !isBuiltin(specifier) && !specifier.split('/').includes('..');
}

const hashes = new Map<string, string>();

/** A hash of a file as it is now; what was imported from it stays as it is, too. */
function hashOf(url: string, absent = (cause: unknown): HandoffError => new HandoffError('FUNCTION_NOT_FOUND', `Module ${url} cannot be read.`, { module: url, cause })): string {
  let hash = hashes.get(url);
  if (hash === undefined) {
    let content: Buffer;
    try {
      content = readFileSync(fileURLToPath(url));
    } catch (cause) {
      throw absent(cause);
    }
    hash = createHash('sha256').update(content).digest('hex');
    hashes.set(url, hash);
  }
  return hash;
}
