import type { Call } from './call.ts'

/** Where something that decides about calls stands now. */
export interface Description {
  /** In a word or a figure: `closed`, `12 of 100 calls in flight`. */
  readonly state: string
  /** A sentence for people: what the state follows from, and what it means for such a call. */
  readonly because: string
  /** Whether such a call would be let through; undefined where that is drawn, or not its business. */
  readonly admits?: boolean | undefined
  /** The resource that decides, where it knows that better than its section does. */
  readonly from?: string | undefined
}

/**
 * Something that decides about calls, and can say where it stands: every gate, and what else a call meets on its way. `describe` changes
 * nothing, counts nothing and draws nothing, so that whoever looks does not move what he looks at.
 */
export interface Described {
  readonly name: string
  /** Section of a service's policy that sets it; undefined for what comes from elsewhere. */
  readonly section?: string | undefined
  describe?(call: Call): Description
}
