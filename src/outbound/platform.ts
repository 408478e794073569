/**
 * The platform's own fetch and Response, in one place. Their classes are never extended or replaced here: touching
 * `globalThis.Response` makes the platform install its dispatcher, which must happen before any undici is loaded.
 */

/** The platform's fetch as it is now. */
export function platformFetch(): typeof globalThis.fetch {
  return globalThis.fetch
}

/** Makes the platform load its own undici, which installs its global dispatcher. */
export function wakePlatformFetch(): void {
  void globalThis.Response
}

/** A platform Response around `body`; used to serialise forms. */
export function platformResponse(body: unknown): Response {
  return new globalThis.Response(body as ConstructorParameters<typeof Response>[0])
}
