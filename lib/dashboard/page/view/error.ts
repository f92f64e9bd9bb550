/** An error with its stack, and what caused it. */
import { h, type VNode } from 'preact';
import type { ErrorView as ErrorData } from '../../protocol.ts';
import { html } from '../html.ts';

export function ErrorView({
  error,
  isCause = false,
}: {
  readonly error: ErrorData;
  readonly isCause?: boolean;
}): VNode {
  const { name, message, code, stack, cause } = error;
  // For a HandoffError with a cause, the stack of the cause is the informative one.
  const isInformative = name !== 'HandoffError' || cause === undefined;
  return html` <div class="error">
    <p class="what">
      ${isCause && html`<span class="because">caused by</span>`}
      <strong>${name}</strong>${code !== undefined && html` <code>${code}</code>`}
    </p>
    <p class="message">${message}</p>
    ${
      stack !== undefined &&
      html`<details open=${isInformative}>
        <summary>Stack</summary>
        <pre tabindex="0" aria-label="Stack">${framesOf(stack, message)}</pre>
      </details>`
    }
    ${cause !== undefined && h(ErrorView, { error: cause, isCause: true })}
  </div>`;
}

/** The stack without the name and message shown above it. */
function framesOf(stack: string, message: string): string {
  const at = message === '' ? -1 : stack.indexOf(message);
  const rest = at === -1 ? stack : stack.slice(at + message.length);
  return rest.replace(/^\n/, '').replace(/^ {4}/gm, '') || stack;
}
