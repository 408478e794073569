import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMesh, type Mesh } from '../../../src/index.ts'
import { type RawAnswer, sendHttp2, sendRaw } from '../../support/raw-http.ts'
import { BACK_ENDS, type BackEnd, startBackEnd } from './back-ends.ts'
import { generate, toBytes, type WrittenRequest } from './grammar.ts'
import { ALLOWED, TRICKS } from './tricks.ts'

const SEED = 20_261_125
/** Connections at once. */
const AT_ONCE = 48

/** Nobody may see what is behind `/admin`, whoever he is. */
function guardingMesh(): Mesh {
  return createMesh({
    inbound: { authorization: [{ name: 'no-admin', action: 'deny', rules: [{ to: [{ operation: { paths: ['/admin', '/admin/*'] } }] }] }] },
  })
}

function send(name: string, { port }: BackEnd, request: WrittenRequest): Promise<RawAnswer> {
  if (name !== 'http2') return sendRaw(port, toBytes(request))
  const host =
    request.lines
      .find((line) => /^host:/i.test(line))
      ?.slice(5)
      .trim() ?? ''
  return sendHttp2(port, { ':method': request.method, ':path': request.target, ':authority': host, ':scheme': 'http' })
}

async function inTurns<T>(list: readonly T[], use: (each: T) => Promise<void>): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    for (let each = list[next++]; each !== undefined; each = list[next++]) await use(each)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

const written = (trick: (typeof TRICKS)[number]): WrittenRequest => ({
  method: trick.method ?? 'GET',
  target: trick.target,
  lines: trick.lines ?? ['Host: web'],
  version: 'HTTP/1.1',
  body: trick.body ?? '',
})

/** A canary behind a denied path of each server: the known tricks, `generated` requests from the grammar, and what must be allowed. */
export function canaries(generated: number): void {
  describe.each(Object.keys(BACK_ENDS))('a canary behind a denied path: %s', (name) => {
    let mesh: Mesh
    let backEnd: BackEnd

    beforeAll(async () => {
      mesh = guardingMesh()
      backEnd = await startBackEnd(name, mesh)
    })

    afterAll(async () => {
      await backEnd.close()
      await mesh.close()
    })

    it.each(TRICKS.map((trick) => [trick.name, trick] as const))('%s', async (_, trick) => {
      const before = backEnd.canary
      const { statuses, text } = await send(name, backEnd, written(trick))
      expect(backEnd.canary).toBe(before)
      expect(text).not.toContain('canary')
      // What is not for /admin after all is answered; nothing of it may break the server.
      for (const each of statuses) expect(each).toBeLessThan(500)
    })

    it(`${generated} requests from the grammar`, async () => {
      const broke: string[] = []
      const failed: WrittenRequest[] = []
      await inTurns(generate(generated, SEED), async (request) => {
        const before = backEnd.canary
        const { statuses } = await send(name, backEnd, request)
        if (backEnd.canary > before) broke.push(`${statuses} ${JSON.stringify(toBytes(request))}`)
        else if (statuses.some((status) => status >= 500)) failed.push(request)
      })
      expect(broke).toEqual([])
      // What breaks a server that has no guard either is not the guard's doing.
      const bare = await startBackEnd(name)
      for (const request of failed) expect((await send(name, bare, request)).status).toBeGreaterThanOrEqual(500)
      await bare.close()
      expect((await send(name, backEnd, written({ name: '', target: '/public' }))).status).toBe(200)
    })

    // The :path of HTTP/2 holds no authority.
    const allowed = ALLOWED.filter(([target]) => name !== 'http2' || target.startsWith('/'))
    it.each(allowed)('%s is allowed', async (target) => {
      expect((await send(name, backEnd, written({ name: '', target }))).status).toBe(200)
    })
  })

  describe.each(Object.keys(BACK_ENDS))('without a guard: %s', (name) => {
    it('the grammar finds the canary', async () => {
      const backEnd = await startBackEnd(name)
      await inTurns(generate(300, SEED), async (request) => {
        await send(name, backEnd, request)
      })
      await backEnd.close()
      expect(backEnd.canary).toBeGreaterThan(5)
    })
  })
}
