/**
 * The two dialects in which undici and its callers speak of a response. Declared here because undici 7 and 8
 * describe them differently, and because no undici type may appear in the public types.
 */

/** Raw header pairs as they come from the parser: name, value, name, value … */
export type RawHeaders = readonly (Buffer | string)[]

/** Headers as an object with lower-case names; a repeated header is an array. */
export type HeaderRecord = Record<string, string | string[]>

/** What a caller may do with its call while it runs. */
export interface DispatchController {
  readonly aborted: boolean
  readonly reason: unknown
  readonly paused: boolean
  readonly rawHeaders: RawHeaders | null
  readonly rawTrailers: RawHeaders | null
  pause(): void
  resume(): void
  abort(reason?: unknown): void
}

/** The old dialect: undici up to 7, and the platform's fetch up to Node 24. */
export interface LegacyHandler {
  onConnect?(abort: (reason?: unknown) => void, context?: unknown): void
  onUpgrade?(status: number, rawHeaders: RawHeaders, socket: unknown): void
  onResponseStarted?(): void
  onHeaders?(status: number, rawHeaders: RawHeaders, resume: () => void, statusText: string): boolean | undefined
  onData?(chunk: Buffer): boolean | undefined
  onComplete?(rawTrailers: RawHeaders): void
  onError?(error: unknown): void
  onBodySent?(chunk: unknown): void
  onRequestSent?(): void
}

/** The new dialect: undici 7 and later. */
export interface ModernHandler {
  onRequestStart?(controller: DispatchController, context?: unknown): void
  onRequestUpgrade?(controller: DispatchController, status: number, headers: HeaderRecord, socket: unknown): void
  onResponseStarted?(): void
  onResponseStart?(controller: DispatchController, status: number, headers: HeaderRecord, statusText: string): void
  onResponseData?(controller: DispatchController, chunk: Buffer): void
  onResponseEnd?(controller: DispatchController, trailers: HeaderRecord): void
  onResponseError?(controller: DispatchController | null, error: unknown): void
  onBodySent?(chunk: unknown): void
  onRequestSent?(): void
}

export type DispatchHandler = LegacyHandler & ModernHandler

/** What `dispatch` is given, as far as the mesh reads it; everything else travels along untouched. */
export interface DispatchOptions {
  origin?: string | URL | null
  path: string
  method: string
  body?: unknown
  headers?: unknown
  upgrade?: unknown
  headersTimeout?: number | null
  bodyTimeout?: number | null
  dispatcher?: unknown
  mesh?: unknown
  [other: string]: unknown
}

/** An undici dispatcher, as far as the mesh drives it. */
export interface Dispatcher {
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean
  close(): Promise<void>
  destroy(error?: Error | null): Promise<void>
}

/** An undici client: a dispatcher with one connection, made at the first request and anew when it has closed. */
export interface Client extends Dispatcher {
  readonly stats: { connected: boolean; pending: number; running: number; size: number }
  on(event: 'drain' | 'disconnect' | 'connectionError', listener: () => void): unknown
}
