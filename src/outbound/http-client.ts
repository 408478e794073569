import type { LookupFunction } from 'node:net'
import type { AddressPolicy } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import { isIP } from '../core/ip.ts'
import type { HttpAnswer, HttpClient, HttpRequest } from '../model/http-client.ts'
import type { NameResolver } from '../model/name-resolver.ts'
import type { ResponseData } from '../model/request.ts'
import type { Dispatcher } from './handler.ts'
import type { Undici } from './undici.ts'

/** What the client stands on. */
export interface HttpClientOptions {
  readonly clock: Clock
  readonly addressPolicy: AddressPolicy
  readonly names: NameResolver
  /** undici, loaded at the first need. */
  undici(): Promise<Undici>
}

/** The mesh's own requests, on undici: names through the mesh's resolver, every address through its policy, one clock. */
export class UndiciHttpClient implements HttpClient {
  private readonly options: HttpClientOptions
  private agent: Dispatcher | undefined = undefined
  private closed = false

  constructor(options: HttpClientOptions) {
    this.options = options
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { clock } = this.options
    // A poll every few seconds may pay for one.
    const aborter = new AbortController()
    let late: Error | undefined
    const timer = clock.setTimer(() => {
      late = new Error(`no complete answer from ${hostOf(request.url)} within ${request.timeoutMs} ms`)
      aborter.abort(late)
    }, request.timeoutMs)
    timer.unref()
    try {
      return await this.follow(request, aborter.signal)
    } catch (error) {
      throw late ?? error
    } finally {
      timer.cancel()
    }
  }

  /** Ends every request and closes every socket. */
  async close(): Promise<void> {
    this.closed = true
    await this.agent?.destroy()
  }

  private async follow(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    let url = new URL(request.url)
    for (let redirects = 0; ; redirects++) {
      const answer = await this.once(url, request, signal)
      const location = REDIRECTS.has(answer.status) ? answer.headers['location'] : undefined
      if (location === undefined) return answer
      const next = new URL(location, url)
      if (next.origin !== url.origin) throw new Error(`${url.host} redirects to ${next.origin}, which is not followed`)
      if (redirects === MAX_REDIRECTS) throw new Error(`${url.host} redirects more than ${MAX_REDIRECTS} times`)
      url = next
    }
  }

  private async once(url: URL, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const refusal = this.options.addressPolicy.refusal(host)
    if (refusal !== undefined) throw new Error(refusal)
    const undici = await this.options.undici()
    if (this.closed) throw new Error('the mesh is closed')
    this.agent ??= new undici.Agent({ allowH2: false, connect: { lookup: this.lookup, timeout: CONNECT_MS }, maxHeaderSize: 64 * 1024 })
    const { statusCode, headers, body } = (await undici.api.request.call(this.agent, {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: request.method ?? 'GET',
      headers: request.headers,
      body: request.body,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })) as ResponseData
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      length += chunk.length
      // Leaving the loop destroys the body, and with it the connection.
      if (length > request.maxBytes) throw new Error(`the answer of ${url.host} is longer than ${request.maxBytes} bytes`)
      chunks.push(chunk)
    }
    return { status: statusCode, headers: joined(headers), body: Buffer.concat(chunks) }
  }

  /** In place of the system's look-up, which waits in the thread pool. */
  private readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.options.names.lookup(hostname).then(
      (found) => {
        const addresses = found.map((address) => ({ address, family: isIP(address) }))
        const [first] = addresses
        if (options.all === true) callback(null, addresses)
        else callback(null, first?.address ?? '', first?.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const joined = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) joined[name] = String(value)
  return joined
}

function hostOf(url: string): string {
  return new URL(url).host
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308])
const MAX_REDIRECTS = 5
const CONNECT_MS = 2_000
