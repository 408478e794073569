import type { CallOptions } from './options.ts'

/** Options of `mesh.request`: undici's, and `mesh`. */
export interface RequestOptions {
  method?: string
  headers?: unknown
  body?: unknown
  signal?: AbortSignal
  mesh?: CallOptions
  [undici: string]: unknown
}

/** What `mesh.request` resolves to: undici's ResponseData. */
export interface ResponseData {
  statusCode: number
  headers: Record<string, string | string[] | undefined>
  trailers: Record<string, string>
  body: import('node:stream').Readable & {
    text(): Promise<string>
    json(): Promise<unknown>
    arrayBuffer(): Promise<ArrayBuffer>
    bytes(): Promise<Uint8Array>
    blob(): Promise<Blob>
    dump(): Promise<void>
  }
}
