/** Turns wheel, drag, pinch and keys into actions of the timeline. */

export interface TimelineActions {
  /** @param x pixels from the left edge of the canvas; this position keeps its time */
  zoom(factor: number, x: number): void;
  /** @param pixels above 0: towards later times */
  pan(pixels: number): void;
  /** @param pixels above 0: downwards */
  scroll(pixels: number): void;
  fit(): void;
  toggleFollow(): void;
  hover(x: number, y: number, isTouch: boolean): void;
  leave(): void;
  click(x: number, y: number): void;
  /** Moves to the neighbour in time, or to the thread above or below. */
  step(what: 'span' | 'track', by: 1 | -1): void;
  pick(): void;
}

/** Pixels a pointer may move before a click becomes a drag. */
const minDragPixels = 4;
const keyPan = 80;
const keyZoom = 1.4;

/** @returns a function that removes the listeners */
export function listenTo(canvas: HTMLCanvasElement, actions: TimelineActions): () => void {
  const own = new AbortController();
  const { signal } = own;
  const pointers = new Map<number, { x: number; y: number }>();
  let isDragging = false;
  let start = { x: 0, y: 0 };
  const place = (event: MouseEvent): { x: number; y: number } => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const [dx, dy] =
        event.shiftKey && event.deltaX === 0 ? [event.deltaY * scale, 0] : [event.deltaX * scale, event.deltaY * scale];
      if (Math.abs(dx) > Math.abs(dy)) actions.pan(dx);
      else if (event.altKey) actions.scroll(dy);
      // A pinch on a touchpad arrives as a wheel event with ctrl, in smaller steps.
      else actions.zoom(Math.exp(-dy * (event.ctrlKey ? 0.01 : 0.002)), place(event).x);
    },
    { passive: false, signal },
  );

  canvas.addEventListener(
    'pointerdown',
    (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      start = place(event);
      isDragging = pointers.size > 1;
    },
    { signal },
  );

  canvas.addEventListener(
    'pointermove',
    (event) => {
      const at = place(event);
      const before = pointers.get(event.pointerId);
      if (before === undefined) return actions.hover(at.x, at.y, false);
      if (pointers.size === 1) {
        if (!isDragging && Math.hypot(at.x - start.x, at.y - start.y) < minDragPixels) return;
        if (!isDragging) actions.leave();
        isDragging = true;
        canvas.classList.add('dragging');
        actions.pan(before.x - at.x);
        actions.scroll(before.y - at.y);
      } else {
        const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
        const apart = Math.max(Math.abs(before.x - other!.x), 8);
        const now = Math.max(Math.abs(at.x - other!.x), 8);
        actions.zoom(now / apart, (at.x + other!.x) / 2);
        actions.pan((before.x - at.x) / 2);
      }
      pointers.set(event.pointerId, at);
    },
    { signal },
  );

  const release = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
    canvas.classList.remove('dragging');
    if (event.type !== 'pointerup' || isDragging) return;
    const at = place(event);
    if (event.pointerType === 'touch') actions.hover(at.x, at.y, true);
    actions.click(at.x, at.y);
  };
  canvas.addEventListener('pointerup', release, { signal });
  canvas.addEventListener('pointercancel', release, { signal });
  canvas.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && actions.leave(), { signal });
  canvas.addEventListener('blur', () => actions.leave(), { signal });

  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => actions.pan(-keyPan),
    ArrowRight: () => actions.pan(keyPan),
    ArrowUp: () => actions.scroll(-40),
    ArrowDown: () => actions.scroll(40),
    '+': () => actions.zoom(keyZoom, canvas.clientWidth / 2),
    '=': () => actions.zoom(keyZoom, canvas.clientWidth / 2),
    '-': () => actions.zoom(1 / keyZoom, canvas.clientWidth / 2),
    0: () => actions.fit(),
    f: () => actions.fit(),
    l: () => actions.toggleFollow(),
    '.': () => actions.step('span', 1),
    ',': () => actions.step('span', -1),
    n: () => actions.step('track', 1),
    p: () => actions.step('track', -1),
    Enter: () => actions.pick(),
    Escape: () => actions.leave(),
  };
  canvas.addEventListener(
    'keydown',
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const action = keys[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    },
    { signal },
  );

  return () => own.abort();
}
