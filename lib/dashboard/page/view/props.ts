/** The props of all views: the data, and the actions of the reader. */
import type { Place, Tab } from '../address.ts';
import type { Source } from '../connection.ts';
import type { Store } from '../store.ts';

export interface PageProps {
  readonly store: Store;
  readonly source: Source;
  readonly place: Place;
  /** The selected function, as an index in the graph; -1: none. */
  readonly selected: number;
  /** The highlighted name; -1: none. */
  readonly highlight: number;
  /** By name: its position in the palette. */
  readonly places: Uint8Array;
  /** Increases with every change, so that views redraw. */
  readonly version: number;
  readonly actions: PageActions;
}

export interface PageActions {
  showRun(key: string): void;
  showTab(tab: Tab): void;
  /** @param fn -1: closes the panel */
  selectFunction(fn: number): void;
  highlightName(name: number): void;
  toggleTheme(): void;
}
