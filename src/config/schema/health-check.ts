import * as v from 'valibot'
import { SecretValue } from '../../core/secret.ts'
import { checked, compact, duration, integer, listOf, mapOf, oneOf, percent, printType, record, text } from './blocks.ts'

const TOKEN = /^[!#$%&'*+.^`|~0-9a-z-]+$/i

/** Names that the probe itself writes: two of them, or one that lies about its body, would break every probe. */
const OWN_HEADERS = ['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'te', 'expect']

const headerName = checked('the name of a header that a probe may carry', (input) =>
  typeof input === 'string' && TOKEN.test(input) && !OWN_HEADERS.includes(input.toLowerCase()) ? input : undefined,
)

const headerValue = checked(
  'the value of a header, one line of Latin-1',
  (input) => (typeof input === 'string' && input.length <= 8_192 && /^[\t\x20-\x7e\x80-\xff]*$/.test(input) ? input : undefined),
  printType,
)

/** `200`, `[200, 299]` or `'200-299'`, as both ends of a range. */
const statuses = checked('a status from 100 to 599, or a range such as [200, 299]', (input): readonly [number, number] | undefined => {
  const [from, to = from, more] = Array.isArray(input)
    ? (input as unknown[])
    : typeof input === 'string'
      ? input.split('-').map(Number)
      : [input]
  const usable = [from, to].every((each) => Number.isInteger(each) && (each as number) >= 100 && (each as number) <= 599)
  return usable && more === undefined && (from as number) <= (to as number)
    ? Object.freeze([from as number, to as number] as const)
    : undefined
})

/** How endpoints are probed; what was not written stays absent. */
export const healthCheck = v.pipe(
  record({
    type: v.optional(oneOf(['http', 'tcp', 'grpc'])),
    path: v.optional(
      checked("a path that begins with '/'", (input) =>
        typeof input === 'string' && /^\/[\x21-\x7e]*$/.test(input) && input.length <= 8_192 ? input : undefined,
      ),
    ),
    method: v.optional(
      checked('a method', (input) =>
        typeof input === 'string' && TOKEN.test(input) && input.toUpperCase() !== 'CONNECT' ? input.toUpperCase() : undefined,
      ),
    ),
    port: v.optional(integer(1, 65_535)),
    host: v.optional(
      checked('a host such as orders.example.com', (input) =>
        typeof input === 'string' && /^[\w.:[\]-]{1,260}$/.test(input) ? input : undefined,
      ),
    ),
    headers: v.optional(mapOf(headerName, headerValue)),
    expectedStatuses: v.optional(
      listOf('statuses', statuses, (written, report) => {
        if (written.size === 0) report([], 'expected at least one status')
      }),
    ),
    expectedBody: v.optional(
      checked('text of 1 to 1024 bytes', (input) =>
        typeof input === 'string' && input.length > 0 && Buffer.byteLength(input) <= 1_024 ? input : undefined,
      ),
    ),
    serviceName: v.optional(text(1_024)),
    interval: v.optional(duration()),
    unhealthyInterval: v.optional(duration()),
    noTrafficInterval: v.optional(duration()),
    timeout: v.optional(duration()),
    unhealthyAfter: v.optional(integer(1, 1_000)),
    healthyAfter: v.optional(integer(1, 1_000)),
    jitterPercent: v.optional(percent()),
    endsEjection: v.optional(checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined))),
  }),
  v.transform(({ headers, interval, unhealthyInterval, noTrafficInterval, timeout, ...rest }) =>
    compact({
      ...rest,
      headers:
        headers === undefined
          ? undefined
          : Object.freeze(Object.fromEntries([...headers].map(([name, value]) => [name.toLowerCase(), new SecretValue(value)]))),
      intervalMs: interval,
      unhealthyIntervalMs: unhealthyInterval,
      noTrafficIntervalMs: noTrafficInterval,
      timeoutMs: timeout,
    }),
  ),
)
