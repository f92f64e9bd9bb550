/**
 * Markup as tagged templates. Whatever is put into one becomes a text node, an attribute or an element, never markup.
 */
import htm from 'htm';
import { h, options, type VNode } from 'preact';
import { plainText } from './plain-text.ts';

// The package's types describe its CommonJS form, where what is imported here is a property `default`.
const template = (htm as unknown as typeof htm.default).bind(h);

/** Attributes that readers see or hear. */
const readAttributes = ['title', 'aria-label', 'aria-valuetext', 'placeholder'] as const;

// One place for all of the page: wherever a view shows a text, it goes through here.
const { vnode: next } = options;
options.vnode = (vnode) => {
  const { type, props } = vnode as { readonly type: unknown; readonly props: unknown };
  if (typeof props === 'string') (vnode as { props: unknown }).props = plainText(props);
  else if (typeof type === 'string') {
    const attributes = props as Record<string, unknown>;
    for (const name of readAttributes)
      if (typeof attributes[name] === 'string') attributes[name] = plainText(attributes[name]);
  }
  next?.(vnode);
};

/** One element, or several that stand side by side. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode {
  return template(strings, ...values) as VNode;
}
