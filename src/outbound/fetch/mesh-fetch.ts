import type { AsyncLocalStorage } from 'node:async_hooks'
import { MeshError, meshErrorWithoutStack } from '../../core/errors.ts'
import { DEFAULT_POLICY } from '../../model/defaults.ts'
import { parseCallOptions } from '../call-options.ts'
import { type CallSettings, NO_SETTINGS } from '../engine.ts'
import { fetchClasses } from '../platform.ts'
import type { Destination } from '../targets.ts'
import { FetchCall, type FetchContext } from './fetch-call.ts'
import { type FetchRequest, readRequest } from './request.ts'
import { bodyOfRequest, isReadFirst, readForm } from './request-body.ts'
import { indexOfHeader } from './request-headers.ts'
import { type MakeResponse, responseMaker } from './response.ts'
import { SignalListeners } from './signal.ts'

type Fetch = typeof globalThis.fetch
type Init = RequestInit & { mesh?: unknown }

/** Whose a URL is: `unknown` while a source may still name it. */
export type Ownership = 'ours' | 'theirs' | 'unknown'

/** What `mesh.fetch` needs from the mesh. */
export interface FetchHost extends Omit<FetchContext, 'platform' | 'makeResponse' | 'signals'> {
  owner(input: unknown): Ownership
  readonly closed: boolean
  /** Calls back when `unknown` has become one or the other, or with what prevents it. */
  whenSettled(then: (error: unknown) => void): void
  readonly dispatcher: object
  /** Carries per-call options past the platform's fetch, which drops keys that it does not know. */
  context(): AsyncLocalStorage<CallSettings> | undefined
  /** The per-call options of `mesh.with` around this moment. */
  readonly around: CallSettings
  afterPoll(then: () => void): void
}

/** The URL behind fetch's first argument; undefined when it has none. Anything that is no Request is taken for its text. */
export function urlOf(input: unknown): string | URL | undefined {
  if (typeof input === 'string' || input instanceof URL) return input
  try {
    return input instanceof fetchClasses().Request ? input.url : String(input)
  } catch {
    return undefined
  }
}

/**
 * `fetch` on the engine: what it understands becomes an exchange whose answer is a platform Response without the machinery of fetch;
 * all else goes whole to the platform's fetch with the mesh as its dispatcher, and hosts that are not ours with the very same arguments.
 */
export class MeshFetch {
  private readonly host: FetchHost
  private readonly contexts = new Map<Fetch, FetchContext>()
  private readonly signals = new SignalListeners()
  private makeResponse: MakeResponse | undefined = undefined

  constructor(host: FetchHost) {
    this.host = host
  }

  /** @param platform the fetch that takes what is not ours */
  fetch(platform: Fetch, input: unknown, init: Init | undefined): Promise<Response> {
    const request = readRequest(input, urlOf(input), init as Readonly<Record<string, unknown>> | undefined)
    const to = request === undefined ? undefined : this.host.find(request.origin)
    if (request === undefined || to === undefined) return this.elsewhere(platform, input, init)
    if (request.ofRequest || isReadFirst(request.body)) return this.afterReading(platform, request, to)
    return this.send(platform, request, to)
  }

  private send(platform: Fetch, request: FetchRequest, to: Destination): Promise<Response> {
    return new Promise((resolve, reject) => {
      const settings = request.mesh === undefined ? this.host.around : parseCallOptions(request.mesh, this.host.around)
      new FetchCall(this.contextOf(platform), request, settings, resolve, reject).begin(to)
    })
  }

  private async afterReading(platform: Fetch, request: FetchRequest, to: Destination): Promise<Response> {
    const { body, isData, type } = request.ofRequest
      ? await bodyOfRequest(request.body as ReadableStream<Uint8Array>, (then) => this.host.afterPoll(then))
      : await readForm(request.body)
    const headers =
      type === undefined || indexOfHeader(request.headers, 'content-type') >= 0
        ? request.headers
        : [...request.headers, 'content-type', type]
    return this.send(platform, { ...request, body, isData, headers }, to)
  }

  /** The platform's fetch: with the mesh underneath where the host is, or may turn out to be, ours. */
  private async elsewhere(platform: Fetch, input: unknown, init: Init | undefined): Promise<Response> {
    const { host } = this
    if (host.closed) throw new TypeError('fetch failed', { cause: meshErrorWithoutStack('MESH_CLOSED', { reason: 'the mesh is closed' }) })
    if (host.owner(input) === 'unknown') {
      await this.settled(input, init)
      if (host.owner(input) === 'ours') return this.fetch(platform, input, init)
    }
    if (host.owner(input) === 'theirs') return platform(input as string, init)
    const { mesh } = init ?? {}
    const send = (): Promise<Response> => throughPlatform(platform, input, init, host.dispatcher)
    if (mesh === undefined) return send()
    const context = host.context()
    if (context === undefined)
      throw new MeshError('MESH_CONFIG', {
        reason: 'the mesh option needs AsyncLocalStorage with this request, and this mesh was made with context: false',
      })
    return context.run(parseCallOptions(mesh, context.getStore() ?? NO_SETTINGS), send)
  }

  /** Waits until every source said once what it has, as long as the call itself would wait for its answer. */
  private settled(input: unknown, init: Init | undefined): Promise<void> {
    const { host } = this
    const signal = init?.signal ?? (input as { signal?: AbortSignal } | null)?.signal ?? undefined
    const bound = parseCallOptions(init?.mesh, host.around).timeoutMs ?? DEFAULT_POLICY.timeouts.headTimeoutMs
    return new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        timer.cancel()
        signal?.removeEventListener('abort', aborted)
        finish()
      }
      const aborted = (): void => end(() => reject(signal?.reason))
      const late = (): void => {
        const reason = `no source named ${String(urlOf(input))} within ${Math.round(bound)} ms, and not all of them have answered`
        end(() => reject(new TypeError('fetch failed', { cause: meshErrorWithoutStack('MESH_DEADLINE', { reason }) })))
      }
      const timer = host.setTimer(late, bound)
      if (signal?.aborted === true) aborted()
      else signal?.addEventListener('abort', aborted, { once: true })
      host.whenSettled(() => end(resolve))
    })
  }

  private contextOf(platform: Fetch): FetchContext {
    let context = this.contexts.get(platform)
    if (context === undefined) {
      this.makeResponse ??= responseMaker()
      const { host, makeResponse, signals } = this
      context = {
        platform,
        makeResponse,
        signals,
        find: (origin) => host.find(origin),
        open: (to, options, caller, settings) => host.open(to, options, caller, settings),
        serves: (origin) => host.serves(origin),
        originOfEndpoint: (address) => host.originOfEndpoint(address),
        now: () => host.now(),
        setTimer: (fire, delayMs) => host.setTimer(fire, delayMs),
      }
      this.contexts.set(platform, context)
    }
    return context
  }
}

/** The platform's fetch with `dispatcher`; options that are more than a plain object, a Request for one, are read by the platform. */
function throughPlatform(platform: Fetch, input: unknown, init: Init | undefined, dispatcher: object): Promise<Response> {
  const prototype: unknown = init === undefined || init === null ? null : Object.getPrototypeOf(init)
  if (prototype === null || prototype === Object.prototype) return platform(input as string, { ...init, dispatcher } as RequestInit)
  const classes = fetchClasses()
  return platform(new classes.Request(input as string, init), { dispatcher } as RequestInit)
}
