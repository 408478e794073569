import type { ClientRequest } from 'node:http'
import { type MeshError, meshErrorWithoutStack } from '../../core/errors.ts'
import type { PlannedRule } from '../../plan/route-plan.ts'
import type { Caller } from '../caller.ts'
import type { DispatchController, DispatchOptions } from '../handler.ts'
import { failRequest } from './endpoint-agents.ts'

/** A request of node:http, as rules of routes ask about it. Names keep the case that they were written in. */
export function askedOf(request: ClientRequest): DispatchOptions {
  const headers = Object.fromEntries(request.getRawHeaderNames().map((name) => [name, request.getHeader(name)]))
  return { method: request.method, path: request.path, headers }
}

/** Hears that no rule sends the request anywhere; answers never come to it. */
export class RefusedRequest implements Caller {
  private readonly request: ClientRequest

  constructor(request: ClientRequest) {
    this.request = request
  }

  error(_: DispatchController, error: unknown): void {
    failRequest(this.request, error)
  }

  start(): void {}
  upgrade(): void {}
  head(): void {}
  data(): void {}
  end(): void {}
  bodySent(): void {}
  requestSent(): void {}
  responseStarted(): void {}
}

/**
 * What a request hears whose rule has an answer for it, which node:http takes from sockets only.
 * @param place where the rule was written
 */
export function answersItself({ title, from, settings }: PlannedRule, place: string | undefined): MeshError {
  const what = settings.redirect === undefined ? 'answers it' : 'redirects it'
  const reason = `${title} ${what}, which mesh.httpAgent() cannot do: call through another door`
  return meshErrorWithoutStack('MESH_CONFIG', { reason, from, place })
}

/**
 * Writes path and headers of `request` anew as its rule wants them; false when that was too late, of which the request has heard then.
 * @param host what its service sees where the rule leaves no `Host`
 */
export function rewrite(request: ClientRequest, { path, headers }: DispatchOptions, host: string): boolean {
  if (request.headersSent) {
    const reason =
      'the rule of its route changes the head of the request, which was written before: await mesh.ready() and give no list of headers'
    failRequest(request, meshErrorWithoutStack('MESH_CONFIG', { reason }))
    return false
  }
  request.path = path
  if (!Array.isArray(headers)) return true
  const written = new Map<string, { name: string; values: string[] }>()
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at] as string, headers[at + 1] as string]
    const known = written.get(name.toLowerCase())
    if (known === undefined) written.set(name.toLowerCase(), { name, values: [value] })
    else known.values.push(value)
  }
  if (!written.has('host')) written.set('host', { name: 'Host', values: [host] })
  for (const name of request.getHeaderNames()) if (!written.has(name)) request.removeHeader(name)
  for (const { name, values } of written.values()) request.setHeader(name, values.length === 1 ? (values[0] as string) : values)
  return true
}
