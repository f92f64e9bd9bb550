/** The nodes of pinned functions of a run that grows. An element is pinned to the node of its map. */
export class GrownPins extends Map<number, string> {
  readonly #ownerOf: ((i: number) => number) | undefined;

  /** @param ownerOf the map of an element, or the function itself */
  constructor(pins: ReadonlyMap<number, string>, ownerOf: (i: number) => number) {
    super(pins);
    this.#ownerOf = ownerOf;
  }

  override get(i: number): string | undefined {
    return super.get(this.#ownerOf === undefined ? i : this.#ownerOf(i));
  }
}
