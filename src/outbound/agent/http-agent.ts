import type { ClientRequest } from 'node:http'
import { builtinModule } from '../../core/builtin-module.ts'
import { meshErrorWithoutStack } from '../../core/errors.ts'
import { type CallSettings, NO_SETTINGS, type Target } from '../engine.ts'
import type { OutboundHost } from '../outbound.ts'
import { waitForSources } from '../source-wait.ts'
import type { Destination } from '../targets.ts'
import { AgentCall } from './agent-call.ts'
import { type EndpointAgents, failRequest, type TakingAgent } from './endpoint-agents.ts'
import { answersItself, askedOf, RefusedRequest, rewrite } from './routed-request.ts'

/** What node:http hands to an agent, as far as it is read here. */
interface RequestPlace {
  readonly host?: string | undefined
  readonly hostname?: string | undefined
  readonly port?: number | string | undefined
  readonly socketPath?: string | null | undefined
}

/**
 * What `mesh.httpAgent()` gives: an agent for clients that stand on node:http. Requests to services of the mesh go to endpoints that it
 * chooses; all others go to the platform's own agent.
 */
export class HttpAgent {
  // node:http reads these four; without them it would write `Connection: close`, and the port into every Host.
  readonly keepAlive = true
  readonly maxSockets = Number.POSITIVE_INFINITY
  readonly defaultPort: number
  readonly protocol: 'http:' | 'https:'
  private readonly host: OutboundHost
  private readonly agents: EndpointAgents
  private readonly passedOn: () => void

  constructor(protocol: 'http:' | 'https:', host: OutboundHost, agents: EndpointAgents, passedOn: () => void) {
    this.protocol = protocol
    this.defaultPort = protocol === 'https:' ? 443 : 80
    this.host = host
    this.agents = agents
    this.passedOn = passedOn
  }

  /** node:http's way of handing over a request. */
  addRequest(request: ClientRequest, options: RequestPlace): void {
    const { host } = this
    const origin = this.originOf(options)
    const to = origin === undefined ? undefined : host.targets.find(origin)
    if (to !== undefined) this.open(to, request, options)
    else if (!host.ready && !host.closed) this.wait(origin, request, options)
    else if (host.unknownHosts === 'refuse') {
      const reason = `${origin ?? 'a unix socket'} is no service of this mesh, and unknownHosts is 'refuse'`
      failRequest(request, meshErrorWithoutStack('MESH_UNKNOWN_SERVICE', { reason }))
    } else {
      this.passedOn()
      const { globalAgent } = this.protocol === 'https:' ? builtinModule('node:https') : builtinModule('node:http')
      ;(globalAgent as unknown as TakingAgent).addRequest(request, options)
    }
  }

  /** Closes idle sockets. The mesh does so too when it closes. */
  destroy(): void {
    this.agents.destroy()
  }

  /** Nobody knows yet whether the host is ours, or where its rule leads. */
  private wait(origin: string | undefined, request: ClientRequest, options: RequestPlace): void {
    const { host } = this
    waitForSources(host, origin ?? 'a unix socket', host.context?.getStore() ?? NO_SETTINGS, (late, error) => {
      if (late !== undefined) failRequest(request, late)
      else this.whenKnown(error, request, options)
    })
  }

  private whenKnown(error: unknown, request: ClientRequest, options: RequestPlace): void {
    // It does not close before it hears of a socket, or of none.
    if (request.destroyed) failRequest(request, null)
    else if (error !== undefined && this.host.unknownHosts === 'refuse') failRequest(request, error)
    else this.addRequest(request, options)
  }

  /** Sends it to its service, or where the rules of its host lead. */
  private open(to: Destination, request: ClientRequest, options: RequestPlace): void {
    const { host } = this
    if (host.closed) {
      failRequest(request, meshErrorWithoutStack('MESH_CLOSED', { service: to.name, reason: 'the mesh is closed' }))
      return
    }
    const settings = host.context?.getStore() ?? NO_SETTINGS
    if (to.routed === undefined) {
      this.send(to.target as Target, request, options, settings)
      return
    }
    const asked = askedOf(request)
    const way = host.router.follow(to.routed, asked, new RefusedRequest(request), settings, host.ready)
    if (way === 'unknown') this.wait(this.originOf(options), request, options)
    else if (way !== 'ended' && 'rule' in way) failRequest(request, answersItself(way.rule, host.engine.placeOf(way.rule.from)))
    else if (way !== 'ended' && (way.options === asked || rewrite(request, way.options, way.target.host))) {
      this.send(way.target, request, options, way.settings)
    }
  }

  private send(target: Target, request: ClientRequest, options: RequestPlace, settings: CallSettings): void {
    const { host } = this
    const call = new AgentCall(host.engine, target, request, options, settings, this.agents)
    if (host.ready && !call.early) {
      call.begin()
      return
    }
    call.wait()
    const resolved = (error: unknown): void => {
      if (error === undefined && !target.gone) call.whenDue(() => call.begin())
      else call.begin(error)
    }
    if (host.ready) resolved(undefined)
    else host.whenReady(resolved)
  }

  private originOf({ host, hostname, port, socketPath }: RequestPlace): string | undefined {
    if (socketPath) return undefined
    const name = host ?? hostname ?? 'localhost'
    const bracketed = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
    const shown = Number(port ?? this.defaultPort) === this.defaultPort ? '' : `:${port}`
    return `${this.protocol}//${bracketed}${shown}`
  }
}
