import type { DispatchHandler, DispatchOptions } from './handler.ts'

/** A request on its way to a connection. */
export interface PooledRequest {
  readonly handler: DispatchHandler
  /** Nobody wants it any more. */
  readonly over: boolean
  /** The connection that it got, where that wants to hear at once that the answer has ended. */
  client: { ended(): void } | undefined
}

/** The connections of one endpoint over one wire, whatever they speak. */
export interface Pool {
  /** Connections that stand, those of them that are free, and requests that are sent and that wait. */
  readonly stats: { connected: number; free: number; running: number; pending: number }
  /** What was agreed on, where a pool agrees on something. */
  readonly protocol?: 'http/1.1' | 'h2' | undefined
  /** Sends a request over a connection that is free, or that is opened for it; or has it wait for one. */
  send(options: DispatchOptions, request: PooledRequest): void
  /** Asks its connections whether they live; those that carry one call each are given up instead. */
  probe?(): void
  /** Closes what nobody has used since then (clock time). */
  sweep?(before: number): void
  /** Ends when what is under way has ended. */
  close(): Promise<void>
  /** Closes every socket. Whoever destroys it has ended the calls. */
  destroy(): Promise<void>
}
