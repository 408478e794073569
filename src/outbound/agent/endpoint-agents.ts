import type { Agent, AgentOptions, ClientRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import { builtinModule } from '../../core/builtin-module.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import type { Wire } from '../wire.ts'

/** What node:http asks of an agent of ours when it has no idle socket: one more, told to `connected`. */
export type OpenSocket = (request: unknown, connected: (error: Error | null, socket: Duplex | null) => void) => void

/** node:http's own agent, which has the method that takes a request although its types do not say so. */
export type TakingAgent = Agent & { addRequest(request: ClientRequest, options: object): void }

/** Under which a request's options carry what belongs to it through node:http's agent. */
export const REQUEST = Symbol('inmesh.request')

/** The socket's endpoint: a call that moved on has one of another endpoint than it was going to. */
const ENDPOINT = Symbol('inmesh.endpoint')

/**
 * One of node:http's agents for each endpoint and wire: that one keeps idle sockets by host and port, which are the same for every
 * endpoint of a service.
 */
export class EndpointAgents {
  private readonly agents = new Map<Endpoint, Map<Wire, TakingAgent>>()
  private readonly open: OpenSocket

  constructor(open: OpenSocket) {
    this.open = open
  }

  /** The agent that keeps the sockets of `endpoint`. */
  of(endpoint: Endpoint, wire: Wire): TakingAgent {
    let wires = this.agents.get(endpoint)
    if (wires === undefined) {
      wires = new Map()
      this.agents.set(endpoint, wires)
    }
    let agent = wires.get(wire)
    if (agent === undefined) {
      agent = this.make(endpoint, wire)
      wires.set(wire, agent)
    }
    return agent
  }

  /** The endpoint is no longer dialled: its idle sockets close. */
  release(endpoint: Endpoint): void {
    for (const agent of this.agents.get(endpoint)?.values() ?? []) agent.destroy()
    this.agents.delete(endpoint)
  }

  /** Closes idle sockets; those in use go with their requests. */
  destroy(): void {
    for (const wires of this.agents.values()) for (const agent of wires.values()) agent.destroy()
    this.agents.clear()
  }

  private make(endpoint: Endpoint, wire: Wire): TakingAgent {
    const { Agent } = builtinModule('node:http')
    const agent = new Agent(SETTINGS) as unknown as Hooks
    agent.createConnection = (options, connected) => {
      this.open(options[REQUEST], connected)
      return undefined
    }
    const keep = agent.keepSocketAlive.bind(agent)
    // Of an agent that was given up nobody would close what it keeps, also where its endpoint has come back.
    const present = (): boolean => this.agents.get(endpoint)?.get(wire) === (agent as unknown)
    agent.keepSocketAlive = (socket) => endpointOf(socket) === endpoint && endpoint.removedAt === undefined && present() && keep(socket)
    return agent as unknown as TakingAgent
  }
}

/** The methods of node:http's agent that are ours. */
interface Hooks {
  createConnection(options: { [REQUEST]?: unknown }, connected: Parameters<OpenSocket>[1]): undefined
  /** Whether a socket is kept for the next request. */
  keepSocketAlive(socket: Duplex): boolean
}

/** Where a socket leads that {@link EndpointAgents} opened. */
function endpointOf(socket: unknown): Endpoint | undefined {
  return (socket as { [ENDPOINT]?: Endpoint } | null)?.[ENDPOINT]
}

/** Notes where `socket` leads. */
export function leadsTo(socket: object, endpoint: Endpoint): void {
  Object.defineProperty(socket, ENDPOINT, { value: endpoint })
}

/** Ends `request` with `error`; one that has no socket yet waits for one before it tells, so it is told that there will be none. */
export function failRequest(request: ClientRequest, error: unknown): void {
  if (request.socket === null) (request as unknown as { onSocket(socket: null, error: unknown): void }).onSocket(null, error)
  else request.destroy(error as Error)
}

/** Idle sockets are closed after a minute, as those of the other doors are; the newest is used first, so that spare ones age. */
const SETTINGS: AgentOptions = { keepAlive: true, scheduling: 'lifo', timeout: 60_000, maxFreeSockets: 256 }
