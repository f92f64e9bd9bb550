/** The page as files to be served, by their path. */
import { entry, hashOf, headMark, type Page } from './assets.ts';

export interface PageFile {
  readonly type: string;
  readonly body: string;
}

export interface PageFiles {
  readonly files: ReadonlyMap<string, PageFile>;
  /** Content-Security-Policy: the page may load only what is served here. */
  readonly policy: string;
}

/** Addresses are relative, so that a proxy can serve the page under another path. */
export function toPageFiles({ template, style, modules, vendor }: Page): PageFiles {
  const importMap = JSON.stringify({
    imports: Object.fromEntries([...vendor].map(([name, { path }]) => [name, `./${path}`])),
  });
  const head = `<link rel="stylesheet" href="page/style.css"><script type="importmap">${importMap}</script><script type="module" src="${entry}"></script>`;
  const files = new Map<string, PageFile>([
    ['/', { type: 'text/html; charset=utf-8', body: template.replace(headMark, () => head) }],
    ['/page/style.css', { type: 'text/css; charset=utf-8', body: style }],
  ]);
  for (const { path, text } of [...modules, ...vendor.values()])
    files.set(`/${path}`, { type: 'text/javascript; charset=utf-8', body: text });
  return {
    files,
    policy: `default-src 'none'; script-src 'self' ${hashOf(importMap)}; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}
