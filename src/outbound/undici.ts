import { MeshError } from '../core/errors.ts'
import type { Client, Dispatcher } from './handler.ts'
import { wakePlatformFetch } from './platform.ts'

/** Which dialect an undici's core speaks natively; handing it the other one costs a wrapper per request. */
export type Dialect = 'legacy' | 'modern'

/** undici's errors that a call may end with although undici does not carry it. */
export type UndiciErrorName =
  | 'InvalidArgumentError'
  | 'NotSupportedError'
  | 'RequestContentLengthMismatchError'
  | 'ResponseContentLengthMismatchError'
  | 'HeadersTimeoutError'
  | 'BodyTimeoutError'

/** Makes one of undici's own errors. */
export type UndiciError = (name: UndiciErrorName, message: string) => Error

/** The parts of undici that the mesh stands on. */
export interface Undici {
  readonly dialect: Dialect
  readonly Client: new (origin: string, options: object) => Client
  readonly Agent: new (options?: object) => Dispatcher
  /** The methods `request`, `stream`, `pipeline`, `connect`, `upgrade` as they sit on every dispatcher. */
  readonly api: Readonly<Record<'request' | 'stream' | 'pipeline' | 'connect' | 'upgrade', (...args: unknown[]) => unknown>>
  readonly abortError: () => Error
  readonly error: UndiciError
  /** `dispatcher` for a handler of `dialect`: undici 8 understands the old one only through its own wrapper. */
  readonly translate: (dispatcher: Dispatcher, dialect: Dialect) => Dispatcher
}

/** Where undici 7 and the platform up to Node 24, and where undici 8 and later ones keep the global dispatcher. */
export const GLOBAL_DISPATCHERS = [Symbol.for('undici.globalDispatcher.1'), Symbol.for('undici.globalDispatcher.2')] as const

/** @internal */
export type Globals = Record<symbol, Dispatcher | undefined>

/**
 * Loads undici at the first need. Loading it replaces the platform's global dispatcher, so the platform gets to install
 * its own first, and what was there is put back.
 */
export async function loadUndici(given?: object): Promise<Undici> {
  if (given !== undefined) return adopt(given)
  const globals = globalThis as unknown as Globals
  const [legacy] = GLOBAL_DISPATCHERS
  const before = wakePlatformFetch() ? globals[legacy] : undefined
  const module = await import('undici')
  if (before !== undefined && globals[legacy] !== before) globals[legacy] = before
  return adopt(module)
}

function adopt(module: object): Undici {
  const exported = ('default' in module && !('Client' in module) ? module.default : module) as Record<string, unknown>
  const { Client: ClientClass, Agent: AgentClass, Dispatcher: DispatcherClass, errors } = exported
  if (typeof ClientClass !== 'function' || typeof DispatcherClass !== 'function') {
    throw new MeshError('MESH_CONFIG', { reason: 'undici: expected the module of undici 7.30 or later, 8.12 or later' })
  }
  // Undici 8 dropped the old dialect and exports the wrapper that translates it.
  const Wrapper = exported['Dispatcher1Wrapper'] as (new (dispatcher: Dispatcher) => Dispatcher) | undefined
  return {
    dialect: Wrapper === undefined ? 'legacy' : 'modern',
    translate: (dispatcher, dialect) => (Wrapper === undefined || dialect === 'modern' ? dispatcher : new Wrapper(dispatcher)),
    Client: ClientClass as Undici['Client'],
    Agent: AgentClass as Undici['Agent'],
    api: DispatcherClass.prototype as Undici['api'],
    error: (name, message) => new (errors as Record<UndiciErrorName, new (message: string) => Error>)[name](message),
    abortError: () => new (errors as { RequestAbortedError: new () => Error }).RequestAbortedError(),
  }
}
