import type { DispatchController, DispatchHandler, HeaderRecord, ModernHandler, RawHeaders } from './handler.ts'
import { toHeaderRecord, toRawHeaders } from './headers.ts'

/**
 * Whoever waits for the answer, spoken to in one way whatever dialect it understands. Nothing here guards:
 * a hook that throws is the exchange's business.
 */
export interface Caller {
  start(controller: DispatchController): void
  upgrade(controller: DispatchController, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void
  head(controller: DispatchController, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void
  data(controller: DispatchController, chunk: Buffer): void
  end(controller: DispatchController, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void
  error(controller: DispatchController, error: unknown): void
  bodySent(chunk: unknown): void
  requestSent(): void
  responseStarted(): void
}

/** The caller behind `handler`: the new dialect when it has `onRequestStart`, else the old one. */
export function callerOf(handler: DispatchHandler): Caller {
  return typeof handler.onRequestStart === 'function' ? new ModernCaller(handler) : new LegacyCaller(handler)
}

abstract class HandlerCaller {
  protected readonly handler: DispatchHandler
  constructor(handler: DispatchHandler) {
    this.handler = handler
  }
  bodySent(chunk: unknown): void {
    this.handler.onBodySent?.(chunk)
  }
  requestSent(): void {
    this.handler.onRequestSent?.()
  }
  responseStarted(): void {
    this.handler.onResponseStarted?.()
  }
}

class ModernCaller extends HandlerCaller implements Caller {
  start(controller: DispatchController): void {
    this.handler.onRequestStart?.(controller, {})
  }
  upgrade(controller: DispatchController, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, socket: unknown): void {
    this.handler.onRequestUpgrade?.(controller, status, parsed ?? toHeaderRecord(raw), socket)
  }
  head(controller: DispatchController, status: number, raw: RawHeaders, parsed: HeaderRecord | undefined, statusText: string): void {
    this.handler.onResponseStart?.(controller, status, parsed ?? toHeaderRecord(raw), statusText)
  }
  data(controller: DispatchController, chunk: Buffer): void {
    this.handler.onResponseData?.(controller, chunk)
  }
  end(controller: DispatchController, rawTrailers: RawHeaders, parsed: HeaderRecord | undefined): void {
    this.handler.onResponseEnd?.(controller, parsed ?? toHeaderRecord(rawTrailers))
  }
  error(controller: DispatchController, error: unknown): void {
    this.handler.onResponseError?.(controller, error)
  }
}

class LegacyCaller extends HandlerCaller implements Caller {
  start(controller: DispatchController): void {
    this.handler.onConnect?.((reason) => controller.abort(reason), null)
  }
  upgrade(_: DispatchController, status: number, raw: RawHeaders, _parsed: HeaderRecord | undefined, socket: unknown): void {
    this.handler.onUpgrade?.(status, raw, socket)
  }
  head(controller: DispatchController, status: number, raw: RawHeaders, _: HeaderRecord | undefined, statusText: string): void {
    const goOn = this.handler.onHeaders?.(status, raw, () => controller.resume(), statusText)
    // An informational head has nothing after it to hold back: undici does not listen to the answer either.
    if (goOn === false && status >= 200) controller.pause()
  }
  data(controller: DispatchController, chunk: Buffer): void {
    if (this.handler.onData?.(chunk) === false) controller.pause()
  }
  end(_: DispatchController, rawTrailers: RawHeaders): void {
    this.handler.onComplete?.(rawTrailers)
  }
  error(_: DispatchController, error: unknown): void {
    this.handler.onError?.(error)
  }
}

/**
 * `handler` in the new dialect, which is the only one that interceptors speak: undici 7 itself sends with handlers of the old one.
 * Headers are taken from what the interceptor says, since it may have changed them.
 */
export function modernHandler(handler: DispatchHandler): DispatchHandler {
  return typeof handler.onRequestStart === 'function' ? handler : new ModernFace(callerOf(handler))
}

class ModernFace implements ModernHandler {
  private readonly caller: Caller
  constructor(caller: Caller) {
    this.caller = caller
  }
  onRequestStart(controller: DispatchController): void {
    this.caller.start(controller)
  }
  onRequestUpgrade(controller: DispatchController, status: number, headers: HeaderRecord, socket: unknown): void {
    this.caller.upgrade(controller, status, toRawHeaders(headers), headers, socket)
  }
  onResponseStarted(): void {
    this.caller.responseStarted()
  }
  onResponseStart(controller: DispatchController, status: number, headers: HeaderRecord, statusText: string): void {
    this.caller.head(controller, status, toRawHeaders(headers), headers, statusText)
  }
  onResponseData(controller: DispatchController, chunk: Buffer): void {
    this.caller.data(controller, chunk)
  }
  onResponseEnd(controller: DispatchController, trailers: HeaderRecord): void {
    this.caller.end(controller, toRawHeaders(trailers ?? {}), trailers)
  }
  onResponseError(controller: DispatchController | null, error: unknown): void {
    this.caller.error(controller as DispatchController, error)
  }
  onBodySent(chunk: unknown): void {
    this.caller.bodySent(chunk)
  }
  onRequestSent(): void {
    this.caller.requestSent()
  }
}
