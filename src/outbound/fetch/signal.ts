import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events'

/** Somebody who wants to know that his caller left. */
interface Abortable {
  abort(reason: unknown): void
}

/**
 * Tells calls when their signal aborts, for as long as somebody holds the call: a signal that lives as long as the process must keep
 * neither the calls that were ever made with it, nor its listeners for them.
 */
export class SignalListeners {
  private readonly collected = new FinalizationRegistry<() => void>((stop) => stop())

  /** Returns what ends it. */
  listen(signal: AbortSignal, call: Abortable): () => void {
    const held = new WeakRef(call)
    const listener = (): void => held.deref()?.abort(signal.reason)
    // Many calls may share a signal, and that is no leak to warn of.
    if (getMaxListeners(signal) === defaultMaxListeners) setMaxListeners(MANY, signal)
    signal.addEventListener('abort', listener, { once: true })
    const stop = (): void => signal.removeEventListener('abort', listener)
    this.collected.register(call, stop)
    return stop
  }
}

const MANY = 1_500
