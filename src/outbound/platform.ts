/**
 * The platform's own fetch and its classes, in one place. None is replaced here, and none is touched before it is needed: touching
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

/** Headers as the platform makes them. */
export type PlatformHeaders = Headers
/** A form as the platform makes it. */
export type PlatformForm = FormData

/** The classes that fetch takes and gives. */
export interface FetchClasses {
  readonly Response: typeof globalThis.Response
  readonly Request: typeof globalThis.Request
  readonly Headers: typeof globalThis.Headers
  readonly FormData: typeof globalThis.FormData
}

/** The platform's classes as they are now. */
export function fetchClasses(): FetchClasses {
  return { Response: globalThis.Response, Request: globalThis.Request, Headers: globalThis.Headers, FormData: globalThis.FormData }
}

/** A platform Response around `body`; used to serialise forms, and to parse what is rarely asked for. */
export function platformResponse(body: unknown, headers?: Record<string, string>): Response {
  const init = headers === undefined ? undefined : { headers }
  return new globalThis.Response(body as ConstructorParameters<typeof Response>[0], init)
}
