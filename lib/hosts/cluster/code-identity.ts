/**
 * What modules are called between hosts: where they lie relative to a host's root, or as packages. Each host has its
 * own copy of the code, as in a cluster of Erlang nodes; that the copies are the same, a hash of their content says.
 */
import { realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { CodeVersions } from '../../workers/code/versions.ts';
import type { CodeWire } from '../../workers/node/wire.ts';

/** Code as hosts tell each other of it. */
export type CodeName =
  /** `path` with `/`, relative to the root. */
  | { readonly path: string; readonly hash: string; readonly export: string }
  | { readonly package: string; readonly hash: string; readonly export: string }
  | { readonly source: string; readonly name: string };

export class ModuleNames {
  readonly #root: string;
  readonly #allowSource: boolean;
  readonly #locate: (specifier: string) => string;
  readonly #versions: CodeVersions;

  /**
   * @param root the folder that paths of modules are relative to
   * @param allowSource whether source text of others may be run here
   * @param locate gives the URL of a package
   * @param versions what modules of this host are
   */
  constructor(root: string, allowSource: boolean, locate: (specifier: string) => string, versions: CodeVersions) {
    this.#root = root;
    this.#allowSource = allowSource;
    this.#locate = locate;
    this.#versions = versions;
  }

  /** The name of some code of ours. @throws `FUNCTION_NOT_FOUND` when other hosts could not find it */
  nameOf(code: CodeWire): CodeName {
    if ('source' in code) return code;
    if (isPackage(code.module)) return { package: code.module, hash: this.#hashOf(code.url), export: code.export };
    if (!/^(file:|\/)/.test(code.module) && !isAbsolute(code.module))
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${code.module} is neither a file nor a package, and not for other hosts.`,
        { module: code.module },
      );
    const path = relative(this.#root, fileURLToPath(code.url));
    if (isOutside(path)) {
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${code.module} lies outside ${this.#root}, so that other hosts cannot find it. Give a root that holds it (option root of the transport).`,
        { module: code.module },
      );
    }
    return { path: path.split(sep).join('/'), hash: this.#hashOf(code.url), export: code.export };
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
      throw new HandoffError(
        'UNAUTHORIZED',
        `Host ${here} runs no source text of others (fromSource()), unless it is started with allowSource. Export ${name.name} from a module instead.`,
      );
    }
    if ('package' in name && !isPackage(name.package))
      throw new HandoffError('FUNCTION_NOT_FOUND', `${name.package} is no package.`, { module: name.package });
    if ('package' in name) return this.#same(this.#locate(name.package), name.package, name, from, here);
    const file = join(this.#root, name.path);
    if (isOutside(relative(this.#root, file)) || this.#leadsOut(file)) {
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${name.path} lies outside the root of host ${here}, or is a link that leads out of it. Put it below the root.`,
        { module: name.path },
      );
    }
    const url = pathToFileURL(file).href;
    const absent = (): HandoffError =>
      new HandoffError('FUNCTION_NOT_FOUND', `Host ${here} has no module ${name.path} below ${this.#root}.`, {
        module: name.path,
      });
    return this.#same(url, name.path, name, from, here, absent);
  }

  /** Code of ours, if it is the same as that of others. @throws `VERSION_MISMATCH` */
  #same(
    url: string,
    module: string,
    name: { readonly hash: string; readonly export: string },
    from: string,
    here: string,
    absent?: (cause: unknown) => HandoffError,
  ): CodeWire {
    if (this.#hashOf(url, absent) === name.hash)
      return { url, module: 'path' in name ? url : module, export: name.export };
    throw new HandoffError(
      'VERSION_MISMATCH',
      `Module ${module}, or something that it imports, is not the same on host ${here} as on host ${from}. Bring both to the same version.`,
      { module, hosts: [from, here] },
    );
  }

  /** What a module is, with all that it imports; and stays, to this host, until it is reloaded. */
  #hashOf(
    url: string,
    absent = (cause: unknown): HandoffError =>
      new HandoffError('FUNCTION_NOT_FOUND', `Module ${url} cannot be read.`, { module: url, cause }),
  ): string {
    try {
      return this.#versions.of(url).hash;
    } catch (cause) {
      throw isHandoffError(cause) ? cause : absent(cause);
    }
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

/**
 * Whether a path relative to a folder leads out of it. A folder may be called `..data`, as in volumes of Kubernetes.
 */
function isOutside(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
}

/**
 * Whether it is a bare specifier: no URL, with which text could be sent as code, no built-in, and no way out of where
 * packages are.
 */
function isPackage(specifier: string): boolean {
  return (
    /^(@[\w.~-]+\/)?[\w~-][\w.~-]*(\/[\w.~-]+)*$/.test(specifier) &&
    !isBuiltin(specifier) &&
    !specifier.split('/').includes('..')
  );
}
