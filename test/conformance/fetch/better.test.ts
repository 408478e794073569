import { getEventListeners } from 'node:events'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { meshErrorIn } from '../../support/scenario.ts'
import { CHUNKED, chunked, Peer, reply, type Script } from './peer.ts'
import { collectGarbage, failure, improvement } from './subjects.ts'

const TEXT = 'compressible '.repeat(1_000)

/** Whole archives; a part of one must never look like a whole. */
const ARCHIVES: [coding: string, bytes: Buffer][] = [
  ['gzip', zlib.gzipSync(TEXT)],
  ['deflate', zlib.deflateSync(TEXT)],
  ['deflate', zlib.deflateRawSync(TEXT)],
  ['br', zlib.brotliCompressSync(TEXT)],
  ['gzip, br', zlib.brotliCompressSync(zlib.gzipSync(TEXT))],
  ['br, gzip', zlib.gzipSync(zlib.brotliCompressSync(TEXT))],
]

improvement('a compressed body that was cut off', (subject) => {
  describe.each(ARCHIVES)('%s (%#)', (coding, whole) => {
    it.each([
      ['one byte', 1],
      ['the last twelve bytes', 12],
      ['half', whole.length >> 1],
      ['all but one byte', whole.length - 1],
    ])('lacks %s: an error', async (_, missing) => {
      const part = whole.subarray(0, whole.length - missing)
      for (const answer of [
        reply(200, [`content-encoding: ${coding}`], part),
        Buffer.concat([reply(200, [CHUNKED, `content-encoding: ${coding}`]), chunked([part])]),
      ]) {
        subject.peer.answer(answer)
        const response = await subject.fetch(subject.url())
        const error = await failure(response.text())
        expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'terminated', true])
      }
    })

    it('is whole: no error', async () => {
      subject.peer.answer(reply(200, [`content-encoding: ${coding}`], whole))
      expect(await (await subject.fetch(subject.url())).text()).toBe(TEXT)
    })

    it('whose connection ended fails a reader too', async () => {
      subject.peer.answer(({ socket }) =>
        socket.end(Buffer.concat([reply(200, [`content-encoding: ${coding}`, `content-length: ${whole.length}`]), whole.subarray(0, -12)])),
      )
      const reader = ((await subject.fetch(subject.url())).body as ReadableStream<Uint8Array>).getReader()
      const read = async (): Promise<never> => {
        for (;;) if ((await reader.read()).done) return await new Promise(() => {})
      }
      expect((await failure(read())).message).toBe('terminated')
    })
  })
})

/** What tells who somebody is. */
const IDENTITY = {
  authorization: 'Bearer x',
  'proxy-authorization': 'Basic x',
  cookie: 'a=1',
  'x-api-key': 'k',
  'x-auth-token': 't',
  'x-forwarded-client-cert': 'By=spiffe://a',
  'x-forwarded-user': 'alice',
  'x-forwarded-email': 'alice@example.com',
  'x-amz-security-token': 's',
}

const identityIn = (headers: Record<string, string>): string[] => Object.keys(headers).filter((name) => name in IDENTITY)

improvement('a redirect out of the mesh', (subject) => {
  const abroad = async (status: number, use: (stranger: Peer) => Promise<void>): Promise<void> => {
    const stranger = await Peer.start()
    subject.peer.answer({ '/from': reply(status, [`location: http://${stranger.address}/to`]) })
    await use(stranger).finally(() => stranger.close())
  }

  it.each([301, 302, 303, 307, 308])('%d takes no identity along', (status) =>
    abroad(status, async (stranger) => {
      const response = await subject.fetch(subject.url('/from'), { headers: { ...IDENTITY, 'x-own': '1' } })
      expect([response.url, await response.text()]).toEqual([`http://${stranger.address}/to`, 'ok'])
      const { headers } = await stranger.request(1)
      expect([identityIn(headers), headers['x-own']]).toEqual([[], '1'])
      expect(identityIn((await subject.peer.request(1)).headers)).toEqual(Object.keys(IDENTITY))
    }),
  )

  it('and back brings none home', () =>
    abroad(302, async (stranger) => {
      stranger.answer(reply(302, [`location: ${subject.url('/home')}`]))
      expect((await subject.fetch(subject.url('/from'), { headers: IDENTITY })).url).toBe(subject.url('/home'))
      expect(identityIn((await subject.peer.request(2)).headers)).toEqual([])
    }))
})

improvement('a redirect within the mesh', (subject) => {
  it('to an address of an endpoint is one to its service', async () => {
    subject.peer.answer({ '/from': reply(302, [`location: http://${subject.peer.address}/to?x=1`]) })
    const response = await subject.fetch(subject.url('/from'), { headers: { ...IDENTITY } })
    expect([response.url, response.redirected, await response.text()]).toEqual([subject.url('/to?x=1'), true, 'ok'])
    const { path, headers, lines } = await subject.peer.request(2)
    expect(path).toBe('/to?x=1')
    expect(lines.find(([name]) => name.toLowerCase() === 'host')).toEqual(['host', 'orders'])
    // It is the same origin: nothing is left behind.
    expect(identityIn(headers)).toEqual(Object.keys(IDENTITY))
    expect(subject.mesh.stats().passedThrough).toBe(0)
  })

  it('to an address of another service’s endpoint is one to that service', async () => {
    subject.peer.answer({ '/from': reply(302, [`location: http://${subject.other.address}/to`]) })
    const response = await subject.fetch(subject.url('/from'), { headers: { ...IDENTITY } })
    expect(response.url).toBe(subject.elsewhere('/to'))
    const left = identityIn((await subject.other.request(1)).headers)
    expect(left).not.toContain('authorization')
    expect(left).not.toContain('cookie')
    expect(subject.mesh.stats().passedThrough).toBe(0)
  })
})

improvement('one deadline over all hops', (subject) => {
  it('three hops, each slower than a third of it', async () => {
    const slow =
      (location: string): Script =>
      ({ write }) =>
        void setTimeout(() => write(reply(307, [`location: ${location}`])), 120)
    subject.peer.answer({ '/1': slow('/2'), '/2': slow('/3'), '/3': slow('/4') })
    const startedAt = performance.now()
    // A POST gets no second try, which would have a time of its own.
    const error = await failure(subject.fetch(subject.url('/1'), { method: 'POST', body: 'x', mesh: { timeout: 300 } }))
    const tookMs = performance.now() - startedAt
    expect([error.constructor, error.message, error.cause.name, meshErrorIn(error)?.code]).toEqual([
      TypeError,
      'fetch failed',
      'TimeoutError',
      'MESH_DEADLINE',
    ])
    expect(tookMs).toBeGreaterThanOrEqual(299)
    expect(tookMs).toBeLessThan(600)
    expect(subject.peer.seen.map(({ path }) => path)).toEqual(['/1', '/2', '/3'])
  })

  it('three hops that are quick enough', async () => {
    const slow =
      (location: string): Script =>
      ({ write }) =>
        void setTimeout(() => write(reply(302, [`location: ${location}`])), 20)
    subject.peer.answer({ '/1': slow('/2'), '/2': slow('/3'), '/3': slow('/4') })
    expect(await (await subject.fetch(subject.url('/1'), { mesh: { timeout: 3_000 } })).text()).toBe('ok')
  })
})

improvement('an upload', (subject) => {
  it('that was aborted is pulled no more, and cancelled with the reason', async () => {
    let pulled = 0
    const reasons: unknown[] = []
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          // An end to it, lest a mistake turns for ever.
          if (++pulled > 5_000) controller.close()
          else controller.enqueue(Buffer.alloc(65_536))
        },
        cancel: (reason) => void reasons.push(reason),
      },
      { highWaterMark: 0 },
    )
    subject.peer.answer(({ socket }) => socket.pause())
    const aborter = new AbortController()
    const call = subject.fetch(subject.url(), { method: 'POST', body, duplex: 'half', signal: aborter.signal })
    await subject.peer.request(1)
    const reason = new Error('enough')
    aborter.abort(reason)
    expect(await failure(call)).toBe(reason)
    await new Promise((resolve) => setImmediate(resolve))
    expect(reasons).toEqual([reason])
    expect(pulled).toBeLessThan(1_000)
  })

  it.each([
    ['strings', 'text'],
    ['numbers', 1],
    ['null', null],
  ])('of %s is refused, not sent for ever', async (_, piece) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(piece)
        controller.close()
      },
    })
    expect(await failure(subject.fetch(subject.url(), { method: 'POST', body, duplex: 'half', mesh: { timeout: 2_000 } }))).toMatchObject({
      name: 'TypeError',
    })
  })
})

improvement('a signal', (subject) => {
  it('of a Request that nobody holds any more aborts', async () => {
    subject.peer.answer(() => {})
    const aborter = new AbortController()
    const call = subject.fetch(new Request(subject.url(), { signal: aborter.signal }), { mesh: { timeout: 2_000 } })
    await subject.peer.request(1)
    for (let turn = 0; turn < 3; turn++) {
      collectGarbage()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const reason = new Error('enough')
    aborter.abort(reason)
    expect(await failure(call)).toBe(reason)
  })

  it('that lives on keeps no listeners', async () => {
    const { signal } = new AbortController()
    for (let turn = 0; turn < 30; turn++) await (await subject.fetch(subject.url(), { signal })).text()
    expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(1)
  })
})
