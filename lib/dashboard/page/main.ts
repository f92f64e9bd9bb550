/** Starts the page: connects it to its server, or to the report inside it, and redraws it on changes. */
import { h, render } from 'preact';
import { type Place, readPlace, writePlace } from './address.ts';
import { placesOf } from './colors.ts';
import { embeddedReport, openReport, openServer, type Source } from './connection.ts';
import { Store } from './store.ts';
import { plainText } from './plain-text.ts';
import { startTheme, toggleTheme } from './theme.ts';
import { App } from './view/app.ts';
import type { PageActions } from './view/props.ts';

const root = document.querySelector('#root')!;
let place: Place = readPlace(location.hash);
let highlight = -1;
let version = 0;
let isDue = false;
let places: { readonly names: readonly string[]; readonly of: Uint8Array } = { names: [], of: new Uint8Array() };

const store = new Store(
  {
    changed,
    needGraph(key) {
      source.watch(key);
      requestGraph(key);
    },
    hasGrown: requestGraph,
  },
  place.run,
);

function requestGraph(key: string): void {
  source.graph(key).then(
    (graph) => store.addGraph(key, graph),
    () => {
      /* The stream reports a dropped run, or delivers it again. */
    },
  );
}

const listener = { message: store.apply.bind(store), connection: store.setConnection.bind(store) };
const report = embeddedReport();
const source: Source = report === undefined ? openServer(listener) : openReport(report, listener);

const actions: PageActions = {
  showRun(key) {
    store.choose(key);
    go({ ...place, run: key, fn: null }, true);
  },
  showTab: (tab) => go({ ...place, tab }, true),
  selectFunction(fn) {
    // While a function is selected, newer runs must not replace its run.
    if (fn >= 0) store.choose(store.key);
    go({ ...place, fn: store.data?.graph.ids[fn] ?? null, run: fn >= 0 ? store.key : place.run }, false);
  },
  highlightName(name) {
    highlight = name;
    changed();
  },
  toggleTheme() {
    toggleTheme();
    changed();
  },
};

/** @param isStep whether the browser's back button undoes it */
function go(next: Place, isStep: boolean): void {
  place = next;
  if (isStep) history.pushState(null, '', writePlace(place));
  else history.replaceState(null, '', writePlace(place));
  changed();
}

/** Schedules one redraw for the next frame, whatever changes until then. */
function changed(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  isDue = false;
  const { data } = store;
  const names = data?.graph.names ?? [];
  if (places.names !== names) {
    // A run that grows keeps its names, and may get more.
    if (names[highlight] !== places.names[highlight]) highlight = -1;
    places = { names, of: placesOf(names) };
  }
  // The run in the address may no longer exist.
  if (place.run !== null && store.key !== null && place.run !== store.key) {
    place = { ...place, run: null, fn: null };
    history.replaceState(null, '', writePlace(place));
  }
  document.title = plainText(titleOf());
  const selected = place.fn === null ? -1 : (data?.index.get(place.fn) ?? -1);
  render(h(App, { store, source, place, selected, highlight, places: places.of, version: ++version, actions }), root);
}

function titleOf(): string {
  const { run } = store;
  if (run === undefined) return 'Handoff';
  const done = run.total === 0 ? 100 : Math.floor(((run.done + run.failed) / run.total) * 100);
  return `${run.state === 'running' ? `${done} % ` : ''}${run.dagId} · Handoff`;
}

startTheme(changed);
addEventListener('popstate', () => {
  place = readPlace(location.hash);
  if (place.run === null || store.runs.has(place.run)) store.choose(place.run ?? [...store.runs.keys()].at(-1) ?? null);
  changed();
});
addEventListener('resize', changed);
source.watch(null);
changed();
