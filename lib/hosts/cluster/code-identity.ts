/**
 * How hosts name modules to each other: by path relative to each host's root, or as packages. Each host has its own
 * copy of the code, as in an Erlang cluster; a hash of the content shows whether the copies are equal.
 */
import { realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { HandoffError, isHandoffError } from '../../core/errors.ts';
import type { CodeVersions } from '../../workers/code/versions.ts';
import type { CodeWire } from '../../workers/node/wire.ts';

/** The name of code between hosts. */
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
   * @param root the folder that module paths are relative to
   * @param allowSource whether to run source text from other hosts
   * @param locate returns the URL of a package
   * @param versions the module versions of this host
   */
  constructor(root: string, allowSource: boolean, locate: (specifier: string) => string, versions: CodeVersions) {
    this.#root = root;
    this.#allowSource = allowSource;
    this.#locate = locate;
    this.#versions = versions;
  }

  /** The name of local code. @throws `FUNCTION_NOT_FOUND` when other hosts could not find it */
  nameOf(code: CodeWire): CodeName {
    if ('source' in code) return code;
    if (isPackage(code.module)) return { package: code.module, hash: this.#hashOf(code.url), export: code.export };
    if (!/^(file:|\/)/.test(code.module) && !isAbsolute(code.module))
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${code.module} is neither a file nor a package, so other hosts cannot find it. Put the function into a module file.`,
        { module: code.module },
      );
    const path = relative(this.#root, fileURLToPath(code.url));
    if (isOutside(path)) {
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${code.module} lies outside ${this.#root}, so other hosts cannot find it. Set a root that contains it (option root of the transport).`,
        { module: code.module },
      );
    }
    return { path: path.split(sep).join('/'), hash: this.#hashOf(code.url), export: code.export };
  }

  /**
   * Finds the local copy of another host's code.
   *
   * @param from the host that named it, for messages
   * @param here this host, for messages
   * @throws `VERSION_MISMATCH` when it differs here; `FUNCTION_NOT_FOUND` when it is missing here; `UNAUTHORIZED` for
   *   source text that this host does not run
   */
  find(name: CodeName, from: string, here: string): CodeWire {
    if ('source' in name) {
      if (this.#allowSource) return name;
      throw new HandoffError(
        'UNAUTHORIZED',
        `Host ${here} runs source text of other hosts (fromSource()) only if started with allowSource. Export ${name.name} from a module instead.`,
      );
    }
    if ('package' in name && !isPackage(name.package))
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `${name.package} is not a package name. Install the same version of handoffjs on all hosts.`,
        { module: name.package },
      );
    if ('package' in name) return this.#same(this.#locate(name.package), name.package, name, from, here);
    const file = join(this.#root, name.path);
    if (isOutside(relative(this.#root, file)) || this.#leadsOut(file)) {
      throw new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Module ${name.path} lies outside the root of host ${here}, or is a link that leads out of it. Put it below the root, or set the option root of that host's transport.`,
        { module: name.path },
      );
    }
    const url = pathToFileURL(file).href;
    const absent = (): HandoffError =>
      new HandoffError(
        'FUNCTION_NOT_FOUND',
        `Host ${here} has no module ${name.path} below ${this.#root}. Install the same project on all hosts.`,
        {
          module: name.path,
        },
      );
    return this.#same(url, name.path, name, from, here, absent);
  }

  /** The local copy, if it equals that of the other host. @throws `VERSION_MISMATCH` when it differs */
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
      `Module ${module}, or a module it imports, differs between host ${here} and host ${from}. Install the same version on both.`,
      { module, hosts: [from, here] },
    );
  }

  /** The hash of a module and its imports. It stays the same on this host until a reload. */
  #hashOf(
    url: string,
    absent = (cause: unknown): HandoffError =>
      new HandoffError('FUNCTION_NOT_FOUND', `Module ${url} cannot be read. Check the file and its permissions.`, {
        module: url,
        cause,
      }),
  ): string {
    try {
      return this.#versions.of(url).hash;
    } catch (cause) {
      throw isHandoffError(cause) ? cause : absent(cause);
    }
  }

  /** Whether links lead from a file below the root to outside it. A missing file does not. */
  #leadsOut(file: string): boolean {
    try {
      return isOutside(relative(realpathSync(this.#root), realpathSync(file)));
    } catch {
      return false;
    }
  }
}

/** Whether a path relative to a folder leads out of it. A folder may be named `..data`, as in Kubernetes volumes. */
function isOutside(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
}

/** Whether it is a bare specifier: no URL, which could carry code as text; no built-in; no path out of the packages. */
function isPackage(specifier: string): boolean {
  return (
    /^(@[\w.~-]+\/)?[\w~-][\w.~-]*(\/[\w.~-]+)*$/.test(specifier) &&
    !isBuiltin(specifier) &&
    !specifier.split('/').includes('..')
  );
}
