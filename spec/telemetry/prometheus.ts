/** Prometheus' text format, read by a parser that is not ours. */
import parsePrometheusTextFormat from 'parse-prometheus-text-format';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: string;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'COUNTER' | 'GAUGE' | 'HISTOGRAM' | 'UNTYPED';
  readonly metrics: readonly Sample[];
}

/**
 * By name. The parser makes one of all histograms of a family, whatever their labels, so the samples of histograms are
 * read as what has no type: families of their own, with `_bucket`, `_sum` and `_count`.
 */
export function parse(text: string): Map<string, Family> {
  const read = (each: string): Family[] => parsePrometheusTextFormat(each) as Family[];
  const histograms = read(text).filter(({ type }) => type === 'HISTOGRAM');
  const plain = read(
    text.replaceAll(/^# (TYPE|HELP) .*$/gm, (line) =>
      histograms.some(({ name }) => line.split(' ')[2] === name) ? '' : line,
    ),
  );
  const families = new Map<string, Family>();
  for (const family of [...histograms, ...plain])
    families.set(family.name, {
      ...family,
      metrics: [...(families.get(family.name)?.metrics ?? []), ...family.metrics],
    });
  return families;
}

/** The value of the one metric that has these labels; undefined when there is none. */
export function sample(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found =
    families
      .get(name)
      ?.metrics.filter((metric) =>
        Object.entries(labels).every(([label, value]) => metric.labels?.[label] === value),
      ) ?? [];
  if (found.length > 1) throw new Error(`${found.length} metrics ${name} have these labels`);
  return found.length === 0 ? undefined : Number(found[0]!.value);
}
