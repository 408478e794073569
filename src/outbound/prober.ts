import type { Socket } from 'node:net'
import type { AddressPolicy } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import type { ProbeRequest, ProbeResult, Prober } from '../model/health.ts'
import type { Protocol } from '../model/names.ts'
import { connectorTo } from './connector.ts'
import { probeGrpc } from './grpc-probe.ts'
import { probeHttp } from './http-probe.ts'
import { probeHttp2 } from './http2-probe.ts'
import type { MutualTls } from './mutual-tls.ts'
import type { ProbeEnd } from './probe-end.ts'
import { SecureContexts } from './secure-contexts.ts'

/**
 * Sends the probes of health checks. Each gets a connection of its own, dialled as the calls' are and closed at its end: a probe that
 * goes over a pool would pass on an old connection while nobody new is let in, and ten thousand idle pools hold 185 MB.
 * The platform's clients do, on a socket that never keeps the process alive; undici is not needed.
 */
export class EndpointProber implements Prober {
  private readonly clock: Clock
  private readonly addressPolicy: AddressPolicy
  private readonly contexts: SecureContexts
  private readonly running = new Set<ProbeEnd>()

  constructor(clock: Clock, addressPolicy: AddressPolicy, mutual: MutualTls) {
    this.clock = clock
    this.addressPolicy = addressPolicy
    this.contexts = new SecureContexts(mutual)
  }

  probe(request: ProbeRequest): Promise<ProbeResult> {
    return new Promise((resolve) => {
      const { settings } = request
      let socket: Socket | undefined
      let open = true
      const end: ProbeEnd = ({ failure, degraded = false, immediate = false }) => {
        if (!open) return
        open = false
        timer.cancel()
        this.running.delete(end)
        socket?.destroy()
        resolve({ failure, degraded, immediate })
      }
      // An answer that waits unread in the kernel came in time.
      const late = (): void => this.clock.afterPoll(() => end({ failure: `no answer within ${settings.timeoutMs} ms` }))
      const timer = this.clock.setTimer(late, settings.timeoutMs)
      timer.unref()
      this.running.add(end)
      const opened = (made: Socket): void => {
        socket = made.unref()
      }
      this.dial(request, opened, (error, connected) => {
        if (connected === null || !open) {
          connected?.destroy()
          end({ failure: error?.message ?? 'no connection' })
          return
        }
        connected.on('error', (broken) => end({ failure: broken.message }))
        if (settings.type === 'tcp') end({ failure: undefined })
        else this.ask(connected, request, end)
      })
    })
  }

  close(): void {
    for (const end of [...this.running]) end({ failure: 'the mesh is closed' })
  }

  /** What the platform's clients refuse to send is a failure too: a header that is none, for one. */
  private ask(connected: Socket, request: ProbeRequest, end: ProbeEnd): void {
    try {
      if (request.settings.type === 'grpc') probeGrpc(connected, request, end)
      else if (speaksHttp2(connected, request)) probeHttp2(connected, request, end)
      else probeHttp(connected, request, end)
    } catch (error) {
      end({ failure: String(error) })
    }
  }

  private dial(
    { endpoint, port, settings, tls, protocol }: ProbeRequest,
    opened: (socket: Socket) => void,
    connected: (error: Error | null, socket: Socket | null) => void,
  ): void {
    try {
      connectorTo({
        endpoint: endpoint.port === port ? endpoint : { ...endpoint, port },
        tls,
        timeoutMs: settings.timeoutMs,
        clock: this.clock,
        addressPolicy: this.addressPolicy,
        contexts: this.contexts,
        protocols: PROTOCOLS[settings.type === 'grpc' ? 'http2' : protocol],
        background: opened,
      })({}, connected)
    } catch (error) {
      connected(error as Error, null)
    }
  }
}

/** Whether that was agreed on, or in clear text is known. */
function speaksHttp2(socket: Socket, { protocol, tls }: ProbeRequest): boolean {
  return tls === undefined ? protocol === 'http2' : (socket as { alpnProtocol?: unknown }).alpnProtocol === 'h2'
}

const PROTOCOLS: Readonly<Record<Protocol, readonly string[]>> = {
  auto: ['h2', 'http/1.1'],
  http1: ['http/1.1'],
  http2: ['h2'],
}
