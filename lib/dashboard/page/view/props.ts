/** The props of all views: the data, and the actions of the reader. */
import type { Place, Tab } from '../address.ts';
import type { Source } from '../connection.ts';
import type { Store } from '../store.ts';

export interface PageProps {
  readonly store: Store;
  readonly source: Source;
  readonly place: Place;
  /** The function that is looked at, into the graph; -1: none. */
  readonly selected: number;
  /** The name that is to stand out; -1: none. */
  readonly highlight: number;
  /** By name: its place in the palette. */
  readonly places: Uint8Array;
  /** Grows by one after every change, so that views know that there is one. */
  readonly version: number;
  readonly actions: PageActions;
}

export interface PageActions {
  showRun(key: string): void;
  showTab(tab: Tab): void;
  /** -1: closes the panel. */
  selectFunction(fn: number): void;
  highlightName(name: number): void;
  toggleTheme(): void;
}
