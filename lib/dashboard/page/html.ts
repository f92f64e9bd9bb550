/** Markup as tagged templates. An inserted value becomes a text node, an attribute or an element, but never markup. */
import htm from 'htm';
import { h, options, type VNode } from 'preact';
import { plainText } from './plain-text.ts';

// The package's types describe its CommonJS form, which has a property `default`.
const template = (htm as unknown as typeof htm.default).bind(h);

/** Attributes that are shown or read aloud. */
const readAttributes = ['title', 'aria-label', 'aria-valuetext', 'placeholder'] as const;

// All texts of the page pass through this one place.
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

/** One element, or several siblings. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode {
  return template(strings, ...values) as VNode;
}
