/** What is printed in place of a secret. */
export const REDACTED = '[redacted]'
/** `inspect.custom`, by the name under which `node:util` registers it. */
export const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** A value that prints `[redacted]` wherever it is printed; `reveal` hands it out. */
export interface Secret {
  reveal(): string | Uint8Array
}

/** Something that must not be seen: every way of printing it says `[redacted]`. */
export class SecretValue implements Secret {
  // A private field, so that no walk over the object's keys finds it.
  readonly #value: string | Uint8Array

  constructor(value: string | Uint8Array) {
    this.#value = value
  }

  reveal(): string | Uint8Array {
    return this.#value
  }
  toString(): string {
    return REDACTED
  }
  toJSON(): string {
    return REDACTED
  }
  [INSPECT](): string {
    return REDACTED
  }
}
