/**
 * The two messages of `grpc.health.v1.Health`, written by hand, in both directions: a request is one string, an answer one number, and
 * no protobuf library is worth loading for that.
 */

/** Path of the method that answers once. */
export const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check'
/** Path of the method that answers at every change. */
export const HEALTH_WATCH_PATH = '/grpc.health.v1.Health/Watch'

/** What a service may be, in the order of its numbers. */
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** What a service may be. */
export type HealthStatus = (typeof STATUS_NAMES)[number]

/** `HealthCheckRequest { service }` in a length-prefixed frame. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service)
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name])
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** The status of a framed `HealthCheckResponse`, by name, or undefined when it is none. An absent field is UNKNOWN, as in proto3. */
export function decodeHealthStatus(frame: Buffer): string | undefined {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) return undefined
  let status = 0
  let at = 5
  while (at < frame.length) {
    const tag = readVarint(frame, at)
    const value = tag === undefined ? undefined : readVarint(frame, tag.next)
    if (tag === undefined || value === undefined) return undefined
    if (tag.value === 0x08) status = value.value
    // What a later version adds: a number is passed over, and so is anything with a length; nothing else is expected.
    if ((tag.value & 7) === 0) at = value.next
    else if ((tag.value & 7) === 2) at = value.next + value.value
    else return undefined
  }
  return at === frame.length ? (STATUS_NAMES[status] ?? `status ${status}`) : undefined
}

/** The service that a framed `HealthCheckRequest` asks for, empty for the whole process; undefined when it is no such request. */
export function decodeHealthRequest(frame: Buffer): string | undefined {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) return undefined
  let service = ''
  let at = 5
  while (at < frame.length) {
    const tag = readVarint(frame, at)
    const value = tag === undefined ? undefined : readVarint(frame, tag.next)
    if (tag === undefined || value === undefined) return undefined
    const wire = tag.value & 7
    if (wire !== 0 && wire !== 2) return undefined
    const end = wire === 2 ? value.next + value.value : value.next
    if (end > frame.length) return undefined
    if (tag.value === 0x0a) service = frame.toString('utf8', value.next, end)
    at = end
  }
  return service
}

/** `HealthCheckResponse { status }` in a length-prefixed frame. */
export function encodeHealthStatus(status: HealthStatus): Buffer {
  return Buffer.from([0, 0, 0, 0, 2, 0x08, STATUS_NAMES.indexOf(status)])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return bytes
}

function readVarint(buffer: Buffer, from: number): { value: number; next: number } | undefined {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = buffer[from + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, next: from + index + 1 }
  }
  return undefined
}
