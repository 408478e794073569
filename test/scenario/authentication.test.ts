import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { systemRandom } from '../../src/core/random.ts'
import { createMesh, type HttpClient } from '../../src/index.ts'
import type { RemoteKeysOptions } from '../../src/model/authentication.ts'
import { TokenAuthenticator } from '../../src/security/jwt/authenticator.ts'
import type { Exchange, FaultServer, Step } from '../support/fault-server.ts'
import { inboundCall } from '../support/inbound-call.ts'
import { lifetimes } from '../support/lifetimes.ts'
import { checkedAuthentication, ISSUER, TokenIssuer } from '../support/tokens.ts'

const issuer = new TokenIssuer('ES256', 'k1')
const next = new TokenIssuer('ES256', 'k2')
const soon = (): { exp: number } => ({ exp: Math.floor(Date.now() / 1_000) + 600 })

const keys =
  (...of: TokenIssuer[]): Step =>
  ({ answer }) =>
    answer(200, JSON.stringify({ keys: of.map((each) => each.jwk()) }), ['content-type: application/json'])
const body =
  (text: string): Step =>
  ({ answer }) =>
    answer(200, text)
const redirect =
  (to: string): Step =>
  ({ answer }) =>
    answer(302, '', [`location: ${to}`])

describe('keys from real servers', () => {
  const { keep, serverOf } = lifetimes()
  let told: string[] = []
  afterEach(() => {
    told = []
  })

  /** The client of a mesh, with its address policy and its resolver. */
  function clientOfMesh(): HttpClient {
    let http: HttpClient | undefined
    const watch = (sink: { context: { http: HttpClient }; update: (delta: never) => unknown }): (() => void) => {
      http = sink.context.http
      sink.update({ version: '1', upserts: [], removals: [], complete: true } as never)
      return () => {}
    }
    const mesh = createMesh({ sources: [{ name: 'client', watch: watch as never }] })
    keep(() => mesh.close({ timeout: 0 }))
    return {
      async request(request) {
        if (http === undefined) await mesh.ready()
        return (http as HttpClient).request(request)
      },
    }
  }

  function gateAt(url: string, jwks: Partial<RemoteKeysOptions> = {}): TokenAuthenticator {
    const settings = checkedAuthentication({
      providers: { auth0: { issuer: ISSUER, jwks: { url, allowHttp: true, timeout: '300ms', ...jwks } } },
    })
    const gate = new TokenAuthenticator(settings, {
      clock: systemClock,
      random: systemRandom,
      http: clientOfMesh(),
      service: undefined,
      failed: (_, error) => told.push(error.message),
      recovered: () => told.push('recovered'),
    })
    keep(() => gate.close())
    return gate
  }
  const status = async (gate: TokenAuthenticator, token: string): Promise<number> => {
    const answer = await gate.admit(inboundCall({ headers: { authorization: `Bearer ${token}` } }))
    return answer.refused === true ? answer.status : 200
  }
  const urlOf = (server: FaultServer): string => `http://${server.address}/jwks`

  it('are fetched, and prove a token', async () => {
    const server = await serverOf(keys(issuer))
    const gate = gateAt(urlOf(server))
    expect([await status(gate, issuer.token(soon())), await status(gate, next.token(soon()))]).toEqual([200, 401])
    expect(server.requests).toMatchObject([{ method: 'GET', path: '/jwks', headers: { accept: 'application/json' } }])
  })

  it('are fetched over a redirect on the same server, and never from another', async () => {
    const other = await serverOf(keys(issuer))
    const server = await serverOf(redirect('/keys'), keys(issuer), redirect(urlOf(other)))
    expect(await status(gateAt(urlOf(server)), issuer.token(soon()))).toBe(200)
    expect(server.requests.map(({ path }) => path)).toEqual(['/jwks', '/keys'])
    expect(await status(gateAt(urlOf(server)), issuer.token(soon()))).toBe(503)
    expect([other.requests, told]).toEqual([[], [expect.stringContaining('which is not followed')]])
  })

  it('are not asked for at addresses that the policy refuses', async () => {
    const gate = gateAt('http://169.254.169.254/jwks')
    expect([await status(gate, issuer.token(soon())), told]).toEqual([503, [expect.stringContaining('address policy refuses')]])
  })

  const endless = async ({ write, socket }: Exchange): Promise<void> => {
    write('HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n{"keys":[')
    const piece = Buffer.alloc(1024 * 1024, 0x20)
    for (let sent = 0; sent < 100 && !socket.destroyed; sent++)
      if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
  it.each<[string, Step, RegExp, number]>([
    ['hangs', () => {}, /within 300 ms/, 2_000],
    [
      'sends a byte now and then',
      async ({ write, socket }) => {
        write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
        while (!socket.destroyed) {
          write(' ')
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      },
      /within 300 ms/,
      2_000,
    ],
    ['sends 100 MB', endless, /longer than 524288 bytes|within 300 ms/, 2_000],
    ['lies', body('<html>'), /no JSON/, 2_000],
    ['lies in JSON', body('{"keys":{}}'), /expected a key set/, 2_000],
    ['fails', 500, /answered 500/, 2_000],
    ['hangs up', ({ socket }) => void socket.resetAndDestroy(), /./, 2_000],
  ])('are not there, and nobody waits for long or pays for it, when the server %s', async (_, step, expected, withinMs) => {
    const server = await serverOf(step)
    const gate = gateAt(urlOf(server))
    const started = performance.now()
    const before = process.memoryUsage().rss
    expect(await status(gate, issuer.token(soon()))).toBe(503)
    expect(performance.now() - started).toBeLessThan(withinMs)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    expect(told).toEqual([expect.stringMatching(expected)])
  })

  it('are fetched again by themselves when the server is back', async () => {
    const server = await serverOf(500)
    const gate = gateAt(urlOf(server))
    gate.start()
    await expect.poll(() => gate.stats().providers['auth0']?.failures, { interval: 10 }).toBe(1)
    server.behave(keys(issuer))
    await expect.poll(() => gate.stats().providers['auth0']?.keySet, { timeout: 4_000, interval: 20 }).toBe('fresh')
    expect([await status(gate, issuer.token(soon())), told]).toEqual([200, ["the key set's server answered 500", 'recovered']])
  })
})
