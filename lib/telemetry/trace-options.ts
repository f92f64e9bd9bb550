/** The options of `traceRuns`. */
import type { Attributes, Tracer } from '@opentelemetry/api';
import { special } from '../core/option-types.ts';
import { option, optionSet } from '../core/options.ts';
import { isRecord } from '../core/values.ts';

export const tracesSchema = optionSet({
  tracer: option(
    special<Tracer>(
      (value) => isRecord(value) && typeof value['startSpan'] === 'function',
      'a Tracer of @opentelemetry/api',
    ),
    { description: 'The tracer.', otherwise: "`trace.getTracer('handoffjs')` of the registered provider" },
  ),
  attributes: option(special<Attributes>(isRecord, 'an object of attributes'), {
    description: 'Attributes added to every span.',
  }),
});
