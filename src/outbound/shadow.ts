import type { Caller } from './caller.ts'
import { type CallSettings, type Engine, NO_SETTINGS, type Target } from './engine.ts'
import { Exchange } from './exchange.ts'
import type { DispatchOptions } from './handler.ts'
import { editRequestHeaders } from './header-edits.ts'
import { hasRequestHeader } from './headers.ts'

/**
 * Sends a copy of a call and forgets it: its answer is read by nobody, nothing is sent again, and what goes wrong is only counted. It
 * bears the host of the call with `-shadow` behind it, as Envoy's copies do.
 */
export function sendShadow(
  engine: Engine,
  target: Target,
  options: DispatchOptions,
  body: unknown,
  implied: readonly (readonly [string, string])[] = [],
): void {
  const { plan } = target
  const { timeouts } = plan.callPolicy
  // Bound to its last byte: an answer without an end must hold no connection.
  const settings: CallSettings = { ...NO_SETTINGS, timeoutMs: timeouts.timeoutMs ?? timeouts.headTimeoutMs, retries: 0 }
  // The type of a form is known by its body only, and the copy is plain bytes.
  const missing = implied.filter(([name]) => name === 'content-type' && !hasRequestHeader(options.headers, name))
  const headers = editRequestHeaders(options.headers, [{ set: {}, add: Object.fromEntries(missing), remove: [] }], 'host')
  const copy: DispatchOptions = { ...options, body, headers, dispatcher: undefined }
  const exchange = new Exchange(engine, target, copy, settings, NOBODY)
  exchange.open()
  if (!exchange.early) {
    exchange.begin()
    return
  }
  exchange.wait()
  exchange.whenDue(() => exchange.beginOrFail(undefined))
}

/** `shop` becomes `shop-shadow`, and `shop:8080` becomes `shop-shadow:8080`. */
export function shadowAuthority(authority: string): string {
  const port = /:\d+$/.exec(authority)?.[0] ?? ''
  return `${authority.slice(0, authority.length - port.length)}-shadow${port}`
}

const NOBODY: Caller = Object.freeze({
  start() {},
  upgrade(_: unknown, _status: number, _raw: unknown, _parsed: unknown, socket: unknown) {
    ;(socket as { destroy?: () => void }).destroy?.()
  },
  head() {},
  data() {},
  end() {},
  error() {},
  bodySent() {},
  requestSent() {},
  responseStarted() {},
})
