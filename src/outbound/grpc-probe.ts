import type { Socket } from 'node:net'
import { builtinModule } from '../core/builtin-module.ts'
import { decodeHealthStatus, encodeHealthRequest, HEALTH_CHECK_PATH } from '../health/grpc-health.ts'
import type { ProbeRequest } from '../model/health.ts'
import type { ProbeEnd } from './probe-end.ts'
import { PROBE_AGENT, revealed } from './probe-headers.ts'

/** Asks `grpc.health.v1.Health/Check` over HTTP/2 on `socket`, with prior knowledge where it is clear text. Only SERVING is in order. */
export function probeGrpc(socket: Socket, { host, settings, tls }: ProbeRequest, end: ProbeEnd): void {
  const origin = tls === undefined ? 'http://localhost' : 'https://localhost'
  const session = builtinModule('node:http2').connect(origin, { createConnection: () => socket })
  session.unref()
  session.on('error', (error) => end({ failure: error.message }))
  session.on('close', () => end({ failure: 'the connection was closed before the answer' }))
  const stream = session.request({
    ':method': 'POST',
    ':path': HEALTH_CHECK_PATH,
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': PROBE_AGENT,
    ...revealed(settings.headers),
  })
  let body = Buffer.alloc(0)
  let httpStatus: unknown
  let grpcStatus: unknown
  let degraded = false
  stream.on('error', (error) => end({ failure: error.message }))
  stream.on('response', (headers) => {
    httpStatus = headers[':status']
    // An error without a message has its status among the headers.
    grpcStatus = headers['grpc-status']
    degraded = headers['x-envoy-degraded'] !== undefined
  })
  stream.on('trailers', (trailers) => {
    grpcStatus = trailers['grpc-status'] ?? grpcStatus
  })
  stream.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk])
    if (body.length > MAX_MESSAGE_BYTES) end({ failure: 'its answer is no HealthCheckResponse' })
  })
  stream.on('end', () => {
    const status = decodeHealthStatus(body)
    if (httpStatus !== 200) end({ failure: `it answered ${httpStatus}` })
    else if (grpcStatus !== '0') end({ failure: `it answered with gRPC status ${grpcStatus ?? 'none'}` })
    else end({ failure: status === 'SERVING' ? undefined : (status ?? 'its answer is no HealthCheckResponse'), degraded })
  })
  stream.end(encodeHealthRequest(settings.serviceName))
}

const MAX_MESSAGE_BYTES = 1_024
