import { Writable } from 'node:stream'
import * as undici from 'undici'
import type { Mesh } from '../../src/index.ts'

/** An answer, read to its end. */
export interface Answer {
  status: number
  body: string
  headers: Headers | Record<string, unknown>
}

type Init = Record<string, unknown>
type Walk = (mesh: Mesh, url: string, init: Init) => Promise<Answer>

async function readResponse(response: Response): Promise<Answer> {
  return { status: response.status, body: await response.text(), headers: response.headers }
}

/** undici's request and stream have no default method but GET, and name the per-call options as they are. */
function forUndici(mesh: Mesh, init: Init): Init {
  return { ...init, method: (init['method'] as string | undefined) ?? 'GET', dispatcher: mesh.dispatcher }
}

/** Every way into the mesh; what differs between them is only how they are called. */
export const doors = {
  fetch: async (mesh, url, init) => readResponse(await mesh.fetch(url, init)),
  'platform-fetch': async (mesh, url, init) => {
    const { mesh: options, ...rest } = init
    return mesh.with((options ?? {}) as object, async () => readResponse(await fetch(url, { ...rest, dispatcher: mesh.dispatcher })))
  },
  'undici-fetch': async (mesh, url, init) => {
    const { mesh: options, ...rest } = init
    return mesh.with((options ?? {}) as object, async () =>
      readResponse((await undici.fetch(url, { ...rest, dispatcher: mesh.dispatcher } as never)) as unknown as Response),
    )
  },
  request: async (mesh, url, init) => {
    const { statusCode, headers, body } = await mesh.request(url, { ...init, method: (init['method'] as string | undefined) ?? 'GET' })
    return { status: statusCode, headers, body: await body.text() }
  },
  stream: async (mesh, url, init) => {
    let status = 0
    let headers: Record<string, unknown> = {}
    const chunks: Buffer[] = []
    await undici.stream(url, forUndici(mesh, init) as never, (head) => {
      status = head.statusCode
      headers = head.headers as Record<string, unknown>
      return new Writable({
        write(chunk: Buffer, _, done) {
          chunks.push(chunk)
          done()
        },
      })
    })
    return { status, headers, body: Buffer.concat(chunks).toString() }
  },
  install: async (mesh, url, init) => {
    const { mesh: options, ...rest } = init
    const restore = mesh.install()
    try {
      return await mesh.with((options ?? {}) as object, async () => readResponse(await fetch(url, rest as RequestInit)))
    } finally {
      restore()
    }
  },
} as const satisfies Record<string, Walk>

export type Door = keyof typeof doors

export const DOORS = Object.keys(doors) as Door[]
