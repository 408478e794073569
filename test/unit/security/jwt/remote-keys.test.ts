import { describe, expect, it } from 'vitest'
import type { RemoteKeysOptions } from '../../../../src/model/authentication.ts'
import type { HttpAnswer } from '../../../../src/model/http-client.ts'
import { inboundCall } from '../../../support/inbound-call.ts'
import { type AuthenticatorUnderTest, answerOf, authenticator, ISSUER, KeyServer, TokenIssuer } from '../../../support/tokens.ts'

const first = new TokenIssuer('ES256', 'k1')
const second = new TokenIssuer('ES256', 'k2')
const URL = 'https://issuer.example/jwks'

interface Remote extends AuthenticatorUnderTest {
  server: KeyServer
  /** Status of a request with this token. */
  ask(token: string): Promise<number>
  /** Lets everything happen that waits for no clock. */
  settle(): Promise<void>
}

function remote(answer: KeyServer['answer'], jwks: Partial<RemoteKeysOptions> = {}): Remote {
  const server = new KeyServer(answer)
  const under = authenticator({ providers: { auth0: { issuer: ISSUER, jwks: { url: URL, ...jwks } } } }, server)
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    ...under,
    server,
    settle,
    async ask(token) {
      const answer = await under.gate.admit(inboundCall({ headers: { authorization: `Bearer ${token}` } }))
      return answer.refused === true ? answer.status : 200
    },
  }
}

const hour = { exp: 1_800_000_000 + 86_400 * 30 }

describe('a key set at a URL', () => {
  it('is fetched at the start, once, and kept', async () => {
    const { gate, server, ask, settle } = remote(() => answerOf(first.keySet()))
    expect([server.requests, gate.stats().providers['auth0']?.keySet]).toEqual([[], 'missing'])
    gate.start()
    gate.start()
    await settle()
    expect(server.requests).toEqual([{ url: URL, headers: { accept: 'application/json' }, timeoutMs: 5_000, maxBytes: 524_288 }])
    expect([await ask(first.token()), await ask(first.token())]).toEqual([200, 200])
    expect(server.requests).toHaveLength(1)
    expect(gate.stats().providers).toEqual({ auth0: { keySet: 'fresh', keys: 1, fetches: 1, failures: 0, ageMs: 0 } })
  })

  it('is fetched by the first request where nobody began, and all that come meanwhile wait for the same fetch', async () => {
    let answer: (given: HttpAnswer) => void = () => {}
    const { server, ask, gate, settle } = remote(() => new Promise((resolve) => (answer = resolve)))
    const asked = Array.from({ length: 50 }, () => ask(first.token()))
    await settle()
    expect(server.requests).toHaveLength(1)
    answer(answerOf(first.keySet()))
    expect(new Set(await Promise.all(asked))).toEqual(new Set([200]))
    expect(gate.stats().admitted).toBe(50)
  })

  it('takes so long that a token expires meanwhile', async () => {
    let answer: (given: HttpAnswer) => void = () => {}
    const { ask, clock, settle } = remote(() => new Promise((resolve) => (answer = resolve)))
    const asked = ask(first.token({ exp: 1_800_000_001 }))
    await settle()
    clock.advance(31_000)
    answer(answerOf(first.keySet()))
    expect(await asked).toBe(401)
  })

  it.each<[string, string | undefined, number]>([
    ['nothing', undefined, 300_000],
    ['max-age', 'public, max-age=600', 600_000],
    ['a max-age that is too short', 'max-age=1', 60_000],
    ['one without end', `max-age=${'9'.repeat(400)}`, 3_600_000],
    ['no-store', 'no-store, max-age=600', 60_000],
    ['an odd one', 'max-age=soon', 300_000],
    ['s-maxage alone', 's-maxage=600', 300_000],
  ])('is fetched again after its time: %s', async (_, control, expected) => {
    const { gate, server, clock, settle } = remote(() =>
      answerOf(first.keySet(), control === undefined ? {} : { 'cache-control': control }),
    )
    gate.start()
    await settle()
    clock.advance(expected * 0.9 - 1)
    await settle()
    expect(server.requests).toHaveLength(1)
    clock.advance(expected * 0.2 + 2)
    await settle()
    expect(server.requests).toHaveLength(2)
  })

  it('lets new keys in and old ones out', async () => {
    const { gate, server, clock, ask, settle } = remote(() => answerOf(first.keySet()))
    gate.start()
    await settle()
    const old = first.token(hour)
    expect(await ask(old)).toBe(200)
    server.answer = () => answerOf(second.keySet())
    clock.advance(330_000)
    await settle()
    expect([await ask(old), await ask(second.token(hour))]).toEqual([401, 200])
  })

  it('keeps verdicts while it says the same in another order', async () => {
    const { gate, server, clock, ask, settle } = remote(() => answerOf(first.keySet(second)))
    gate.start()
    await settle()
    const token = first.token(hour)
    await ask(token)
    server.answer = () => answerOf(second.keySet(first))
    clock.advance(330_000)
    await settle()
    expect([server.requests.length, await ask(token), gate.stats().cached]).toEqual([2, 200, 1])
  })

  it('is asked at once for a key that it did not have, and the request waits for it', async () => {
    const { gate, server, clock, ask, settle } = remote(() => answerOf(first.keySet()))
    gate.start()
    await settle()
    clock.advance(30_000)
    server.answer = () => answerOf(first.keySet(second))
    expect(await ask(second.token())).toBe(200)
    expect(server.requests).toHaveLength(2)
  })

  it('is asked again too when its keys have no names', async () => {
    const [one, two] = [new TokenIssuer('ES256', undefined), new TokenIssuer('ES256', undefined)]
    const { gate, server, clock, ask, settle } = remote(() => answerOf({ keys: [one.jwk({ kid: undefined })] }))
    gate.start()
    await settle()
    clock.advance(30_000)
    server.answer = () => answerOf({ keys: [two.jwk({ kid: undefined })] })
    expect(await ask(two.token({}, { kid: undefined }))).toBe(200)
  })

  it('is fetched at most twice in a minute for 10,000 unknown keys', async () => {
    const { gate, server, clock, ask, settle } = remote(() => answerOf(first.keySet()))
    gate.start()
    await settle()
    clock.advance(40_000)
    const before = server.requests.length
    for (let at = 0; at < 10_000; at++) {
      clock.advance(6)
      const [head = '', ...rest] = first.token().split('.')
      // Signed once would do as well: nobody looks at the signature of an unknown key.
      const named = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(head, 'base64url').toString()), kid: `x${at}` })).toString(
        'base64url',
      )
      if ((await ask([named, ...rest].join('.'))) !== 401) throw new Error('taken')
    }
    expect(server.requests.length - before).toBeLessThanOrEqual(2)
    expect(server.requests.length - before).toBeGreaterThan(0)
    expect(gate.stats().refused).toBe(10_000)
  }, 30_000)

  it.each<[string, () => HttpAnswer | Promise<HttpAnswer>, string]>([
    ['fails', () => Promise.reject(new Error('no complete answer from issuer.example within 5000 ms')), 'no complete answer'],
    ['answers 500', () => answerOf('S3CRET', {}, 500), 'answered 500'],
    ['answers 204', () => answerOf('', {}, 204), 'answered 204'],
    ['answers nothing', () => answerOf(''), 'no JSON'],
    ['answers HTML', () => answerOf('<html>S3CRET</html>', { 'content-type': 'text/html' }), 'no JSON'],
    ['answers broken UTF-8', () => ({ status: 200, headers: {}, body: Buffer.from([0x7b, 0xff]) }), 'no JSON'],
    ['answers other JSON', () => answerOf({ error: 'S3CRET' }), 'expected a key set'],
    ['answers null', () => answerOf('null'), 'expected a key set'],
    ['answers keys that are no list', () => answerOf({ keys: 'S3CRET' }), 'expected a key set'],
    ['has no key', () => answerOf({ keys: [] }), 'no key that can be used'],
    ['has only secret keys', () => answerOf({ keys: [{ kty: 'oct', k: 'S3CRET' }] }), 'only public keys are taken'],
    ['has only private keys', () => answerOf({ keys: [first.privateKey.export({ format: 'jwk' })] }), 'a private key has no place'],
    ['has only keys for encryption', () => answerOf({ keys: [first.jwk({ use: 'enc' })] }), 'no key that can be used'],
    ['has too many', () => answerOf({ keys: Array.from({ length: 101 }, () => first.jwk()) }), 'more than 100'],
  ])('stays as it was while its server %s', async (_, answer, expected) => {
    const { gate, server, clock, ask, settle, told } = remote(() => answerOf(first.keySet()))
    gate.start()
    await settle()
    server.answer = answer
    for (let minute = 0; minute < 10; minute++) {
      clock.advance(60_000)
      await settle()
    }
    expect(await ask(first.token())).toBe(200)
    expect(gate.stats().providers['auth0']?.keySet).toBe('stale')
    // Told once, however often it fails, and without what the server said.
    expect(told).toEqual([expect.stringMatching(expected)])
    expect(JSON.stringify(told)).not.toContain('S3CRET')
    server.answer = () => answerOf(first.keySet())
    clock.advance(60_000)
    await settle()
    expect([told.slice(1), gate.stats().providers['auth0']?.keySet]).toEqual([['auth0: recovered'], 'fresh'])
  })

  it('is no good any more when its server failed for too long: no token is believed', async () => {
    const { gate, server, clock, ask, settle } = remote(() => answerOf(first.keySet()), { keepFor: '1h' })
    gate.start()
    await settle()
    const token = first.token(hour)
    expect(await ask(token)).toBe(200)
    server.answer = () => Promise.reject(new Error('down'))
    for (let minute = 0; minute < 58; minute++) {
      clock.advance(60_000)
      await settle()
    }
    expect(await ask(token)).toBe(200)
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(60_000)
      await settle()
    }
    expect([await ask(token), gate.stats().providers['auth0']?.keySet]).toEqual([503, 'missing'])
    server.answer = () => answerOf(first.keySet())
    clock.advance(60_000)
    await settle()
    expect(await ask(token)).toBe(200)
  })

  it('that is not there yet answers 503 and when to come back; who brings no token is told so all the same', async () => {
    const { gate, clock, settle, server } = remote(() => Promise.reject(new Error('down')))
    gate.start()
    await settle()
    const answer = await gate.admit(inboundCall({ headers: { authorization: `Bearer ${first.token()}` } }))
    expect(answer).toMatchObject({ refused: true, code: 'MESH_NOT_READY', status: 503, challenge: undefined })
    expect((answer as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0)
    expect((answer as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(1_000)
    expect(await gate.admit(inboundCall())).toMatchObject({ code: 'MESH_UNAUTHENTICATED', status: 401 })
    // A bad token is bad without any key.
    expect(await gate.admit(inboundCall({ headers: { authorization: 'Bearer a.b.c' } }))).toMatchObject({ status: 401 })
    expect(server.requests).toHaveLength(1)
    clock.advance(1_000)
    await settle()
    expect(server.requests).toHaveLength(2)
  })

  it('that cannot be had is asked for with growing waits, whatever comes in', async () => {
    const { gate, clock, settle, server, ask } = remote(() => Promise.reject(new Error('down')))
    gate.start()
    for (let second = 0; second < 120; second++) {
      await settle()
      expect(await ask(first.token())).toBe(503)
      clock.advance(1_000)
    }
    expect(server.requests.length).toBeGreaterThan(5)
    expect(server.requests.length).toBeLessThanOrEqual(14)
  })

  it.each([
    ['120', 120_000],
    ['99999999', 300_000],
    ['soon', 0],
  ])('waits as long as its server asks for, within bounds: %s', async (retryAfter, expected) => {
    const { gate, clock, settle, server } = remote(() => answerOf('', { 'retry-after': retryAfter }, 503))
    gate.start()
    await settle()
    clock.advance(Math.max(0, expected - 1))
    await settle()
    expect(server.requests).toHaveLength(1)
    clock.advance(1_001)
    await settle()
    expect(server.requests).toHaveLength(2)
  })

  it('asks nobody after it was closed, and leaves no timer', async () => {
    const { gate, clock, settle, server } = remote(() => answerOf(first.keySet()))
    gate.start()
    await settle()
    expect(clock.timers).toBe(1)
    gate.close()
    expect(clock.timers).toBe(0)
    clock.advance(3_600_000)
    await settle()
    expect(server.requests).toHaveLength(1)
    const late = remote(() => answerOf(first.keySet()))
    late.gate.start()
    late.gate.close()
    await settle()
    expect(late.clock.timers).toBe(0)
    const never = remote(() => answerOf(first.keySet()))
    never.gate.close()
    expect([await never.ask(first.token()), never.server.requests]).toEqual([503, []])
  })

  it('takes the keys that can be used, and passes over the rest', async () => {
    const { ask, gate } = remote(() =>
      answerOf({
        keys: [null, 'x', { kty: 'oct', k: 'AA' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, { ...first.jwk(), kid: 7 }, second.jwk()],
      }),
    )
    expect([await ask(second.token()), gate.stats().providers['auth0']?.keys]).toEqual([200, 1])
  })
})
