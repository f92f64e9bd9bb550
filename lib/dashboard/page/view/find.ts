/** Finds functions by a part of their id. */
import { h, type VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from '../html.ts';
import type { RunData } from '../run-data.ts';
import { StateGlyph } from './state-glyph.ts';

const maxFound = 12;

export function Find({ data, onPick }: { readonly data: RunData; readonly onPick: (fn: number) => void }): VNode {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const found = text.trim() === '' ? [] : findIds(data.graph.ids, text.trim(), maxFound);
  const pick = (fn: number | undefined): void => {
    if (fn === undefined) return;
    setText('');
    onPick(fn);
  };
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => setAt(Math.min(at + 1, found.length - 1)),
    ArrowUp: () => setAt(Math.max(at - 1, 0)),
    Enter: () => pick(found[at]),
    Escape: () => setText(''),
  };
  return html` <div class="find">
    <input
      type="search"
      role="combobox"
      placeholder="Find a function"
      aria-label="Find a function"
      aria-expanded=${found.length > 0}
      aria-controls="found"
      aria-autocomplete="list"
      aria-activedescendant=${found.length > 0 ? `found-${at}` : undefined}
      value=${text}
      autocomplete="off"
      spellcheck=${false}
      onInput=${(event: Event) => (setText((event.target as HTMLInputElement).value), setAt(0))}
      onKeyDown=${(event: KeyboardEvent) => keys[event.key] !== undefined && (event.preventDefault(), event.stopPropagation(), keys[event.key]!())}
    />
    <ul id="found" role="listbox" aria-label="Functions found" hidden=${found.length === 0}>
      ${found.map(
        (fn, i) =>
          html` <li
            key=${fn}
            id=${`found-${i}`}
            role="option"
            aria-selected=${i === at}
            onPointerDown=${(event: Event) => event.preventDefault()}
            onClick=${() => pick(fn)}
          >
            ${h(StateGlyph, { state: data.states[fn]! })} ${data.graph.ids[fn]!}
          </li>`,
      )}
    </ul>
    <p class="none" role="status" hidden=${text.trim() === '' || found.length > 0}>No function has this in its id.</p>
  </div>`;
}

/** Ids that begin with the text come first. */
function findIds(ids: readonly string[], text: string, count: number): number[] {
  const wanted = text.toLowerCase();
  const starting: number[] = [];
  const within: number[] = [];
  for (const [fn, id] of ids.entries()) {
    const place = id.toLowerCase().indexOf(wanted);
    if (place === 0) starting.push(fn);
    else if (place > 0 && within.length < count) within.push(fn);
    if (starting.length === count) break;
  }
  return [...starting, ...within].slice(0, count);
}
