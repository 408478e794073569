import { channel } from 'node:diagnostics_channel'

/** Whatever a listener throws ends here, never in the call that raised the event. */
export type Report = (error: unknown) => void

/**
 * Typed events of one mesh. Without listeners an event costs a look-up; each one is also published on
 * the diagnostics channel `inmesh:<name>`, so that tracing tools need no reference to the mesh.
 */
export class Events<Map extends object> {
  private readonly listeners = new globalThis.Map<keyof Map, ReadonlyArray<(payload: never) => void>>()
  private readonly report: Report

  constructor(report: Report) {
    this.report = report
  }

  /** Calls `listener` at every `name`, until the returned function is called. */
  on<Name extends keyof Map>(name: Name, listener: (payload: Map[Name]) => void): () => void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener as (payload: never) => void])
    return () => this.off(name, listener)
  }

  off<Name extends keyof Map>(name: Name, listener: (payload: Map[Name]) => void): void {
    const kept = (this.listeners.get(name) ?? []).filter((each) => each !== (listener as unknown))
    if (kept.length === 0) this.listeners.delete(name)
    else this.listeners.set(name, kept)
  }

  /** Whether anybody would hear `name`; lets the hot path skip building a payload. */
  heard(name: keyof Map & string): boolean {
    return this.listeners.has(name) || channel(`inmesh:${name}`).hasSubscribers
  }

  emit<Name extends keyof Map & string>(name: Name, payload: Map[Name]): void {
    const published = channel(`inmesh:${name}`)
    if (published.hasSubscribers) published.publish(payload)
    const listeners = this.listeners.get(name)
    if (listeners === undefined) return
    for (const listener of listeners) {
      try {
        const returned: unknown = (listener as (payload: Map[Name]) => unknown)(payload)
        // A listener that is an async function throws later.
        if (returned instanceof Promise) returned.catch(this.report)
      } catch (error) {
        this.report(error)
      }
    }
  }
}
