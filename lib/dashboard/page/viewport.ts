/** The visible part of the timeline, and how it follows a running run. */
import { fitted, panned, type TimeRange, zoomed } from './scale.ts';

export class Viewport {
  range: TimeRange = { from: 0, to: 1 };
  /** Pixels scrolled away at the top. */
  scrollTop = 0;
  /** The end of the run stays visible. */
  isFollowing = true;
  /** The whole run is visible, even as it grows. */
  isFitted = true;
  #domain: TimeRange = { from: 0, to: 1 };

  /** Extends the domain to the run's current end. @param end ms from its start */
  extend(end: number): void {
    const before = this.#domain.to;
    this.#domain = { from: 0, to: Math.max(end, 0.1) };
    if (this.isFitted) this.range = fitted(this.#domain);
    else if (this.isFollowing) this.range = panned(this.range, this.#domain.to - before, this.#domain);
  }

  get end(): number {
    return this.#domain.to;
  }

  fit(): void {
    this.isFitted = true;
    this.isFollowing = true;
    this.range = fitted(this.#domain);
  }

  follow(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
    if (!isFollowing) this.isFitted = false;
    else if (!this.isFitted) {
      const width = this.range.to - this.range.from;
      this.range = { from: this.#domain.to - width * 0.95, to: this.#domain.to + width * 0.05 };
    }
  }

  /** @param share of the width, 0 to 1: this position keeps its time, unless the end is followed */
  zoom(factor: number, share: number): void {
    const { from, to } = this.range;
    const at = this.isFollowing && !this.isFitted ? this.#domain.to : from + share * (to - from);
    this.range = zoomed(this.range, factor, at, this.#domain);
    this.isFitted = false;
    // A reader who zooms into the past wants to look at it.
    if (this.range.to < this.#domain.to) this.isFollowing = false;
  }

  /** @param share of the width; above 0: towards later times */
  pan(share: number): void {
    if (share === 0) return;
    this.range = panned(this.range, share * (this.range.to - this.range.from), this.#domain);
    this.isFitted = false;
    this.isFollowing = false;
  }

  /** Pans until a time range is visible, or its start if it is too wide. */
  bring(from: number, to: number): void {
    const width = this.range.to - this.range.from;
    if (from < this.range.from || to - from > width) this.pan((from - width * 0.1 - this.range.from) / width);
    else if (to > this.range.to) this.pan((to + width * 0.1 - this.range.to) / width);
  }

  /** @param height of all rows @param seen visible pixels of it */
  scroll(pixels: number, height: number, seen: number): void {
    this.scrollTop = Math.min(Math.max(this.scrollTop + pixels, 0), Math.max(height - seen, 0));
  }
}
