/** Markup as tagged templates. Whatever is put into one becomes a text node, an attribute or an element, never markup. */
import htm from 'htm';
import { h, type VNode } from 'preact';

// The package's types describe its CommonJS form, where what is imported here is a property `default`.
const template = (htm as unknown as typeof htm.default).bind(h);

/** One element, or several that stand side by side. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode {
  return template(strings, ...values) as VNode;
}
