/**
 * The platform's own fetch and Response, in one place. Their classes are never extended or replaced here: touching
 * `globalThis.Response` makes the platform install its dispatcher, which must happen before any undici is loaded.
 */

/** The platform's fetch as it is now. */
export function platformFetch(): typeof globalThis.fetch {
  return globalThis.fetch
}

/**
 * Whether the platform has a fetch. Asking makes it load its own undici, which installs its global dispatcher; the answer
 * must be used, since bundlers drop a look at a global of which nothing depends.
 */
export function wakePlatformFetch(): boolean {
  return globalThis.Response !== undefined
}

/** A platform Response around `body`; used to serialise forms. */
export function platformResponse(body: unknown): Response {
  return new globalThis.Response(body as ConstructorParameters<typeof Response>[0])
}
