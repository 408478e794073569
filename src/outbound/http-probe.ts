import type { Socket } from 'node:net'
import { builtinModule } from '../core/builtin-module.ts'
import type { ProbeRequest } from '../model/health.ts'
import type { ProbeEnd } from './probe-end.ts'
import { PROBE_AGENT, revealed } from './probe-headers.ts'
import { judgeProbe } from './probe-verdict.ts'

/** Asks an HTTP/1.1 endpoint on `socket`, and looks at status, body and the two headers of Envoy's health checks. */
export function probeHttp(socket: Socket, { host, settings }: ProbeRequest, end: ProbeEnd): void {
  const { method, path, headers } = settings
  const sent = builtinModule('node:http').request({
    method,
    path,
    headers: { host, 'user-agent': PROBE_AGENT, accept: '*/*', ...revealed(headers), connection: 'close' },
    setHost: false,
    createConnection: () => socket,
  })
  sent.on('error', (error) => end({ failure: error.message }))
  sent.on('response', (answer) => {
    // Only now does a body that breaks off have somebody to tell.
    answer.on('error', (error) => end({ failure: error.message }))
    judgeProbe(answer.statusCode ?? 0, answer.headers, answer, settings, end)
  })
  sent.end()
}
