/** One request of a source, a key set or a probe. */
export interface HttpRequest {
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Bound of the whole exchange, to the last byte. */
  readonly timeoutMs: number
  /** Longest body that is taken, in bytes; one that is longer is an error. */
  readonly maxBytes: number
}

/** The whole answer. A header that came more than once is joined by comma; names are lower case. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * Plain HTTP for whatever the mesh itself asks of others: registries, documents, key sets. The address policy and the resolver of
 * the mesh are built in. A redirect is followed on the same scheme, host and port only: credentials must not travel.
 */
export interface HttpClient {
  /** Rejects when there is no complete answer; an answer of any status is one. */
  request(request: HttpRequest): Promise<HttpAnswer>
}
