/** Panning and zooming of a picture by wheel, drag, pinch and keys. */
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Transform {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const minScale = 0.05;
const maxScale = 4;
const minDragPixels = 4;
/** Below this scale, text is not readable. */
const minReadableScale = 0.62;
/** Pixels. Anything closer to the edge counts as not visible. */
const edge = 30;

/** @param margin pixels to leave around the picture */
export function fitInto(
  width: number,
  height: number,
  outerWidth: number,
  outerHeight: number,
  margin = 12,
): Transform {
  const scale = Math.max(
    Math.min((outerWidth - 2 * margin) / width, (outerHeight - 2 * margin) / height, 1.25),
    minScale,
  );
  return { scale, x: (outerWidth - width * scale) / 2, y: (outerHeight - height * scale) / 2 };
}

export function zoomAt({ x, y, scale }: Transform, factor: number, atX: number, atY: number): Transform {
  const next = Math.min(Math.max(scale * factor, minScale), maxScale);
  return { scale: next, x: atX - ((atX - x) * next) / scale, y: atY - ((atY - y) * next) / scale };
}

export interface PanZoom {
  readonly ref: { current: SVGSVGElement | null };
  readonly transform: Transform;
  readonly fit: () => void;
  /** Zooms around the centre. */
  readonly zoom: (factor: number) => void;
  /** Whether the last press was a drag rather than a click. */
  readonly wasDragged: () => boolean;
}

/**
 * @param key fits the picture again when it changes
 * @param focus area to keep visible, in units of the picture; undefined: none
 */
export function usePanZoom(
  width: number,
  height: number,
  key: unknown,
  focus: { readonly x: number; readonly y: number } | undefined,
): PanZoom {
  const ref = useRef<SVGSVGElement>(null);
  const [transform, setTransform] = useState<Transform>({ x: 0, y: 0, scale: 1 });
  const dragged = useRef(false);
  /** After the reader has moved the picture, resizing no longer fits it. */
  const isMoved = useRef(false);
  const size = useRef({ width, height });
  size.current = { width, height };
  const wanted = useRef(focus);
  wanted.current = focus;

  const fit = (): void => {
    if (ref.current === null) return;
    const { clientWidth, clientHeight } = ref.current;
    setTransform(fitInto(size.current.width, size.current.height, clientWidth, clientHeight));
  };
  const zoom = (factor: number): void => {
    isMoved.current = true;
    const { clientWidth, clientHeight } = ref.current!;
    setTransform((now) => zoomAt(now, factor, clientWidth / 2, clientHeight / 2));
  };

  /** Shows the whole picture if it is readable at that scale, otherwise a readable part. */
  const show = (): void => {
    if (ref.current === null) return;
    const { clientWidth, clientHeight } = ref.current;
    const all = fitInto(size.current.width, size.current.height, clientWidth, clientHeight);
    if (all.scale >= minReadableScale) return setTransform(all);
    const middle = wanted.current ?? { x: clientWidth / 2 / minReadableScale, y: size.current.height / 2 };
    setTransform({
      scale: minReadableScale,
      x: clientWidth / 2 - middle.x * minReadableScale,
      y: clientHeight / 2 - middle.y * minReadableScale,
    });
  };

  useEffect(() => {
    isMoved.current = false;
    show();
  }, [key]);
  useEffect(() => {
    if (focus === undefined || ref.current === null) return;
    const { clientWidth, clientHeight } = ref.current;
    setTransform((now) => {
      const at = { x: now.x + focus.x * now.scale, y: now.y + focus.y * now.scale };
      const isSeen = at.x > edge && at.x < clientWidth - edge && at.y > edge && at.y < clientHeight - edge;
      return isSeen
        ? now
        : { ...now, x: clientWidth / 2 - focus.x * now.scale, y: clientHeight / 2 - focus.y * now.scale };
    });
  }, [focus]);
  useEffect(() => {
    const svg = ref.current!;
    const own = new AbortController();
    const pointers = new Map<number, { x: number; y: number }>();
    let start = { x: 0, y: 0 };
    const place = (event: MouseEvent): { x: number; y: number } => {
      const box = svg.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const shift = (x: number, y: number): void => {
      isMoved.current = true;
      setTransform((now) => ({ ...now, x: now.x + x, y: now.y + y }));
    };
    const observer = new ResizeObserver(() => isMoved.current || show());
    observer.observe(svg);

    svg.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        isMoved.current = true;
        const { x, y } = place(event);
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
          shift(-(event.deltaX || event.deltaY), 0);
        else setTransform((now) => zoomAt(now, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), x, y));
      },
      { passive: false, signal: own.signal },
    );
    svg.addEventListener(
      'pointerdown',
      (event) => {
        if (event.button !== 0) return;
        pointers.set(event.pointerId, place(event));
        start = place(event);
        dragged.current = pointers.size > 1;
      },
      { signal: own.signal },
    );
    svg.addEventListener(
      'pointermove',
      (event) => {
        const before = pointers.get(event.pointerId);
        if (before === undefined) return;
        const at = place(event);
        if (pointers.size === 1) {
          if (!dragged.current && Math.hypot(at.x - start.x, at.y - start.y) < minDragPixels) return;
          // Only once it is a drag: a captured pointer would click nothing below it.
          if (!dragged.current) svg.setPointerCapture(event.pointerId);
          dragged.current = true;
          shift(at.x - before.x, at.y - before.y);
        } else {
          const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
          const apart = Math.max(Math.hypot(before.x - other!.x, before.y - other!.y), 8);
          const factor = Math.max(Math.hypot(at.x - other!.x, at.y - other!.y), 8) / apart;
          setTransform((now) => zoomAt(now, factor, (at.x + other!.x) / 2, (at.y + other!.y) / 2));
        }
        pointers.set(event.pointerId, at);
      },
      { signal: own.signal },
    );
    for (const type of ['pointerup', 'pointercancel', 'pointerleave'] as const) {
      svg.addEventListener(type, (event) => void pointers.delete(event.pointerId), { signal: own.signal });
    }
    svg.addEventListener(
      'keydown',
      (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const keys: Readonly<Record<string, () => void>> = {
          ArrowLeft: () => shift(60, 0),
          ArrowRight: () => shift(-60, 0),
          ArrowUp: () => shift(0, 60),
          ArrowDown: () => shift(0, -60),
          '+': () => zoom(1.25),
          '=': () => zoom(1.25),
          '-': () => zoom(0.8),
          0: fit,
          f: fit,
        };
        const action = keys[event.key];
        if (action === undefined) return;
        event.preventDefault();
        action();
      },
      { signal: own.signal },
    );
    return () => {
      own.abort();
      observer.disconnect();
    };
  }, []);

  return { ref, transform, fit, zoom, wasDragged: () => dragged.current };
}
