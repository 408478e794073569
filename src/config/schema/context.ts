import * as v from 'valibot'
import type { ContextSettings } from '../../model/context-options.ts'
import { checked, listOf, oneOf, record } from './blocks.ts'

/** What a header may be called (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/

/** Headers that say something of one message or one connection alone, and those that the mesh writes itself. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'grpc-timeout',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'traceparent',
  'tracestate',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-envoy-attempt-count',
  'x-envoy-expected-rq-timeout-ms',
  'x-inmesh-priority',
  'x-inmesh-retried',
])

const headerName = checked('the name of a header that may be copied', (input) =>
  typeof input === 'string' && TOKEN.test(input) && !NOT_FORWARDED.has(input.toLowerCase()) ? input.toLowerCase() : undefined,
)

const boolean = checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))

const sections: v.GenericSchema<unknown, ContextSettings> = record({
  trust: v.optional(oneOf(['mesh', 'anyone', 'nobody']), 'mesh'),
  trace: v.optional(boolean, true),
  retried: v.optional(boolean, true),
  forward: v.optional(listOf('names of headers', headerName), ['x-request-id']),
})

/** `context` of the options: on, off, or how. */
export const context: v.GenericSchema<unknown, boolean | ContextSettings> = v.lazy((input) =>
  typeof input === 'object' && input !== null ? sections : boolean,
) as v.GenericSchema<unknown, boolean | ContextSettings>

/** What flows: as it was written, or what holds where nothing was. */
export function flowOf(written: boolean | ContextSettings): ContextSettings {
  return typeof written === 'boolean' ? v.parse(sections, {}) : written
}
