/**
 * The parts of `@opentelemetry/api` that traces use. Only users of `handoffjs/otel` install the package. It is required,
 * not imported, so that its absence is an error with a remedy, also for `require('handoffjs/otel')`.
 */
import { createRequire } from 'node:module';
import { missingPackage } from '../core/optional-package.ts';

const name = '@opentelemetry/api';

function load(): typeof import('@opentelemetry/api') {
  try {
    return createRequire(import.meta.url)(name) as typeof import('@opentelemetry/api');
  } catch (cause) {
    throw missingPackage(name, { who: 'handoffjs/otel', option: 'tracer' }, cause);
  }
}

/** @throws `INVALID_OPTION`, where this module is imported, when the package is missing */
export const { context, isSpanContextValid, SpanStatusCode, trace } = load();
