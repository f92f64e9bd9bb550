/** Computes METG from measured points, and plots them. */

export interface Point {
  /** As a share of what all cores can do. */
  readonly efficiency: number;
  /** µs. */
  readonly granularity: number;
}

/**
 * The smallest granularity with at least this efficiency, interpolated between the two measured points around it on a
 * logarithmic scale.
 *
 * @returns µs; that of the finest point if even that is efficient enough, Infinity if none is
 */
export function metg(points: readonly Point[], efficiency: number): number {
  const fromFine = points.toSorted((a, b) => a.granularity - b.granularity);
  const at = fromFine.findIndex((point) => point.efficiency >= efficiency);
  if (at < 0) return Infinity;
  const above = fromFine[at]!;
  const below = fromFine[at - 1];
  if (below === undefined || below.efficiency >= above.efficiency) return above.granularity;
  const part = (efficiency - below.efficiency) / (above.efficiency - below.efficiency);
  return below.granularity * (above.granularity / below.granularity) ** part;
}

/** Efficiency against granularity as SVG, one panel per pattern. */
export async function plot(
  points: readonly (Point & { readonly runner: string; readonly pattern: string })[],
): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const { spec } = vegaLite.compile({
    background: 'white',
    data: { values: points.map((point) => ({ ...point })) },
    facet: { field: 'pattern', type: 'nominal', title: null },
    columns: 5,
    spec: {
      width: 180,
      height: 140,
      mark: { type: 'line', point: true, clip: true },
      encoding: {
        x: { field: 'granularity', type: 'quantitative', scale: { type: 'log' }, title: 'granularity, µs' },
        y: {
          field: 'efficiency',
          type: 'quantitative',
          scale: { domain: [0, 1] },
          axis: { format: '%' },
          title: 'efficiency',
        },
        color: { field: 'runner', type: 'nominal', title: null },
      },
    },
  });
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
