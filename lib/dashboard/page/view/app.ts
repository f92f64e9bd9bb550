/** The whole page: header, tabs, the chosen tab, and the panel of the selected function. */
import { type ComponentChild, h, type VNode } from 'preact';
import { type Tab, tabs } from '../address.ts';
import { formatCount } from '../format.ts';
import { html } from '../html.ts';
import { Events } from './events.ts';
import { Find } from './find.ts';
import { FunctionPanel } from './function-panel.ts';
import { Graph } from './graph.ts';
import { Header } from './header.ts';
import { NamePanel } from './name-panel.ts';
import { Nodes } from './nodes.ts';
import type { PageProps } from './props.ts';
import { Timeline } from './timeline.ts';

const labels: Readonly<Record<Tab, string>> = {
  timeline: 'Timeline',
  graph: 'Graph',
  nodes: 'Nodes',
  events: 'Events',
};
const views: Readonly<Record<Tab, (props: PageProps) => ComponentChild>> = {
  timeline: Timeline,
  graph: Graph,
  nodes: Nodes,
  events: Events,
};

export function App(props: PageProps): VNode {
  const { store, place, selected, actions } = props;
  const { data } = store;
  const badges: Readonly<Partial<Record<Tab, number>>> = { nodes: store.nodes.length, events: data?.marks.length ?? 0 };
  const isPanelOpen = data !== undefined && selected >= 0;
  const isNameOpen = !isPanelOpen && data !== undefined && place.tab === 'graph' && props.highlight >= 0;
  const onEscape = (): void =>
    isPanelOpen ? actions.selectFunction(-1) : isNameOpen ? actions.highlightName(-1) : undefined;
  const onKeys = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(place.tab) + step + tabs.length) % tabs.length]!;
    actions.showTab(next);
    document.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  return html` <div class="page" onKeyDown=${(event: KeyboardEvent) => event.key === 'Escape' && onEscape()}>
    <a
      class="skip"
      href="#view"
      onClick=${(event: Event) => (event.preventDefault(), document.querySelector<HTMLElement>('#view')?.focus())}
      >To the content</a
    >
    ${h(Header, props)}
    <nav class="bar-of-tabs" aria-label="Views">
      <div role="tablist" aria-label="Views" onKeyDown=${onKeys}>
        ${tabs.map(
          (tab) =>
            html` <button
              type="button"
              key=${tab}
              id=${`tab-${tab}`}
              role="tab"
              aria-selected=${place.tab === tab}
              aria-controls="view"
              tabindex=${place.tab === tab ? 0 : -1}
              onClick=${() => actions.showTab(tab)}
            >
              ${labels[tab]}${(badges[tab] ?? 0) > 0 && html` <span class="badge">${formatCount(badges[tab]!)}</span>`}
            </button>`,
        )}
      </div>
      ${data !== undefined && h(Find, { data, onPick: actions.selectFunction })}
    </nav>
    <main class="body">
      <div id="view" role="tabpanel" tabindex="-1" aria-labelledby=${`tab-${place.tab}`}>
        ${h(views[place.tab], { ...props, key: place.tab })}
      </div>
      ${isPanelOpen && h(FunctionPanel, { ...props, data })} ${isNameOpen && h(NamePanel, { ...props, data })}
    </main>
  </div>`;
}
