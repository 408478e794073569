import type { Socket } from 'node:net'
import { builtinModule } from '../core/builtin-module.ts'
import type { ProbeRequest } from '../model/health.ts'
import type { ProbeEnd } from './probe-end.ts'
import { PROBE_AGENT, revealed } from './probe-headers.ts'
import { judgeProbe } from './probe-verdict.ts'

/** Asks an endpoint over HTTP/2 on `socket`; in clear text by prior knowledge. */
export function probeHttp2(socket: Socket, { host, settings, tls }: ProbeRequest, end: ProbeEnd): void {
  const origin = tls === undefined ? 'http://localhost' : 'https://localhost'
  const session = builtinModule('node:http2').connect(origin, { createConnection: () => socket })
  session.unref()
  session.on('error', (error) => end({ failure: error.message }))
  session.on('close', () => end({ failure: 'the connection was closed before the answer' }))
  const stream = session.request({
    ':method': settings.method,
    ':path': settings.path,
    ':authority': host,
    'user-agent': PROBE_AGENT,
    accept: '*/*',
    ...revealed(settings.headers),
  })
  stream.on('error', (error) => end({ failure: error.message }))
  stream.on('response', (headers) => judgeProbe(Number(headers[':status']), headers, stream, settings, end))
  stream.end()
}
