/** A supervision tree, with how often each child was restarted. */
import { h, type VNode } from 'preact';
import type { TreeNode } from '../../../workers/supervision/child.ts';
import { formatCount } from '../format.ts';
import { html } from '../html.ts';

/** Branches below this depth are closed at first. */
const openDepth = 2;
const maxChildren = 50;

export function Tree({ tree, depth = 0 }: { readonly tree: TreeNode; readonly depth?: number }): VNode {
  const { children = [] } = tree;
  if (children.length === 0) return html`<div class="leaf">${h(Line, { tree })}</div>`;
  return html` <details class="branch" open=${depth < openDepth || children.some(({ restarts }) => restarts > 0)}>
    <summary>${h(Line, { tree })}</summary>
    <div class="children">
      ${children.slice(0, maxChildren).map((child) => h(Tree, { key: child.id, tree: child, depth: depth + 1 }))}
      ${children.length > maxChildren && html`<p class="none">and ${formatCount(children.length - maxChildren)} more</p>`}
    </div>
  </details>`;
}

function Line({ tree }: { readonly tree: TreeNode }): VNode {
  const { id, kind, state, restarts, strategy, info = {} } = tree;
  const facts = Object.entries(info)
    .map(([name, value]) => `${name} ${textOf(value)}`)
    .join(', ');
  return html` <span class=${`line ${kind}`}>
    <span class="id">${id}</span>
    ${strategy !== undefined && html` <span class="strategy">${strategy}</span>`}
    ${state !== 'running' && html` <span class="chip">${state}</span>`}
    ${restarts > 0 && html` <span class="chip restarts">restarted ${restarts === 1 ? 'once' : `${formatCount(restarts)} times`}</span>`}
    ${facts !== '' && html` <span class="info">${facts.length > 160 ? `${facts.slice(0, 159)}…` : facts}</span>`}
  </span>`;
}

/** Details may be amounts by name. */
function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return value.map(textOf).join(' ');
  return Object.entries(value)
    .map(([name, amount]) => `${name} ${textOf(amount)}`)
    .join(' ');
}
