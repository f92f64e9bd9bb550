/** The nodes with capacity, claims, usage and threads, and the supervision trees. */
import { h, type VNode } from 'preact';
import type { NodeView, ThreadView } from '../../protocol.ts';
import { formatAmount, formatBytes, formatCount, formatPercent } from '../format.ts';
import { usedOf } from '../history.ts';
import { html } from '../html.ts';
import type { PageProps } from './props.ts';
import { Sparkline } from './sparkline.ts';
import { Tree } from './tree.ts';

export function Nodes(props: PageProps): VNode {
  const { store } = props;
  const hosts = Object.entries(store.trees);
  return html` <div class="nodes">
    ${store.nodes.length === 0 && html`<p class="empty">There are no nodes.</p>`}
    <div class="cards">
      ${store.nodes.map((node) => h(NodeCard, { ...props, key: `${node.host}/${node.name}`, node }))}
    </div>
    ${
      store.nodes.length > 0 &&
      html` <p class="key">
        <i class="declared"></i> declared <i class="claimed"></i> claimed <i class="used"></i> in
        use${store.hello?.isReport !== true && '. On the right: the last minutes'}
      </p>`
    }
    ${
      hosts.length > 0 &&
      html` <section class="trees">
        <h2>Supervision</h2>
        ${hosts.map(
          ([host, tree]) =>
            html`<section key=${host}>
              <h3>${host}</h3>
              ${h(Tree, { tree })}
            </section>`,
        )}
      </section>`
    }
  </div>`;
}

function NodeCard({ node, store, actions }: PageProps & { readonly node: NodeView }): VNode {
  const names = [...new Set([...Object.keys(node.declared), ...Object.keys(node.claimed)])];
  const isReport = store.hello?.isReport === true;
  const runHere = (running: NonNullable<ThreadView['running']>): VNode => {
    const fn = running.runId === store.run?.runId ? store.data?.index.get(running.functionId) : undefined;
    return fn === undefined
      ? html`<span>${running.functionId}</span> <span class="of">${running.dagId}</span>`
      : html`<button type="button" class="link" onClick=${() => actions.selectFunction(fn)}>
          ${running.functionId}
        </button>`;
  };
  return html` <section class=${`card ${node.isUp ? '' : 'down'}`} aria-label=${`Node ${node.name}`}>
    <header>
      <h2>${node.name}</h2>
      <span class="host">${node.host}</span>
      <span class=${`chip ${node.isUp ? 'up' : 'down'}`}>${node.isUp ? 'up' : 'down'}</span>
    </header>
    <div class="amounts">${names.map((name) => h(Amount, { key: name, node, name, store, hasChart: !isReport }))}</div>
    ${
      node.limits !== undefined &&
      html`<dl class="limits">
        ${Object.entries(node.limits).map(
          ([name, { here, used, concurrency, perSecond }]) =>
            html`<div key=${name}>
              <dt>limit ${name}</dt>
              <dd>
                ${formatCount(used)}${concurrency !== undefined && ` of ${formatCount(concurrency)}`} in use,
                ${formatCount(here)} here${perSecond !== undefined && `; ${formatCount(perSecond)} start per second`}
              </dd>
            </div>`,
        )}
      </dl>`
    }
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Thread</th>
            <th scope="col">Runs</th>
            <th scope="col" class="number">Queue</th>
            <th scope="col" class="number">Busy</th>
            <th scope="col" class="number">Heap</th>
          </tr>
        </thead>
        <tbody>
          ${node.threads.map(
            ({ running, queue, utilization, heapMb }, thread) =>
              html` <tr key=${thread}>
                <th scope="row">${thread}</th>
                <td class="runs">
                  ${running === null ? html`<span class="idle">${queue > 0 ? 'about to begin' : 'idle'}</span>` : runHere(running)}
                </td>
                <td class="number">${queue}</td>
                <td class="number">${utilization === null ? '–' : formatPercent(utilization)}</td>
                <td class="number">${heapMb === null ? '–' : formatBytes(heapMb * 1024 * 1024)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

function Amount({
  node,
  name,
  store,
  hasChart,
}: {
  readonly node: NodeView;
  readonly name: string;
  readonly store: PageProps['store'];
  readonly hasChart: boolean;
}): VNode {
  const declared = node.declared[name] ?? 0;
  const claimed = node.claimed[name] ?? 0;
  const used = usedOf(node, name);
  const share = (amount: number): string => `${Math.min(100, declared > 0 ? (amount / declared) * 100 : 0)}%`;
  const words = `${formatAmount(name, claimed)} of ${formatAmount(name, declared)} claimed${used === null ? '' : `, ${formatAmount(name, used)} in use`}`;
  return html` <div class="amount">
    <p><span class="what">${name}</span> <span class="words">${words}</span></p>
    <div class="meter" role="img" aria-label=${`${name}: ${words}`}>
      <i class="claimed" style=${{ width: share(claimed) }}></i>
      ${used !== null && html`<i class="used" style=${{ width: share(used) }}></i>`}
    </div>
    ${hasChart && h(Sparkline, { series: store.history.series(node, name), label: `${name} of ${node.name} over the last minutes` })}
  </div>`;
}
