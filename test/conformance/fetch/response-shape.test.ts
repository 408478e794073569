import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { reply } from './peer.ts'
import { conformance, failure, MeshSubject, type Subject } from './subjects.ts'

interface Wasm {
  compileStreaming(from: unknown): Promise<unknown>
  Module: new () => object
}

async function answered(subject: Subject, status: number | string = 200, lines: string[] = [], body = 'body'): Promise<Response> {
  subject.peer.answer(reply(status, lines, body))
  return subject.fetch(subject.url('/path?query'))
}

conformance('a response', (subject) => {
  it('is a Response in every respect', async () => {
    const response = await answered(subject)
    expect(response).toBeInstanceOf(Response)
    expect(Object.prototype.toString.call(response)).toBe('[object Response]')
    expect(`${response}`).toBe('[object Response]')
    expect(response.constructor).toBe(Response)
    expect(response.clone().constructor).toBe(Response)
    expect(Object.keys(response)).toEqual([])
    expect(JSON.stringify(response)).toBe('{}')
  })

  it('has no fields that differ from a Response of one’s own', async () => {
    const response = await answered(subject)
    const own = new Response('body')
    const fields = (value: object): string[] => {
      const names: string[] = []
      for (const name in value) names.push(name)
      return names.sort()
    }
    expect(fields(response)).toEqual(fields(own))
  })

  it('tells what it is', async () => {
    const { status, ok, statusText, url, redirected, type, bodyUsed } = await answered(subject, '200 All is well')
    expect({ status, ok, statusText, url, redirected, type, bodyUsed }).toEqual({
      status: 200,
      ok: true,
      statusText: 'All is well',
      url: subject.url('/path?query'),
      redirected: false,
      type: 'basic',
      bodyUsed: false,
    })
  })

  it.each(['status', 'ok', 'statusText', 'url', 'redirected', 'type', 'bodyUsed', 'body', 'headers'])('%s is read only', async (name) => {
    const response = await answered(subject)
    const before = Reflect.get(response, name)
    expect(Reflect.set(response, name, 'mine')).toBe(false)
    expect(() => {
      ;(response as unknown as Record<string, unknown>)[name] = 'mine'
    }).toThrow(TypeError)
    expect(Reflect.get(response, name)).toBe(before)
  })

  it.each([
    [200, true],
    [201, true],
    [202, true],
    [203, true],
    [206, true],
    [226, true],
    [299, true],
    [300, false],
    [304, false],
    [305, false],
    [306, false],
    [310, false],
    [400, false],
    [401, false],
    [404, false],
    [418, false],
    [421, false],
    [429, false],
    [451, false],
    [499, false],
    [500, false],
    [501, false],
    [505, false],
    [599, false],
    [600, false],
    [999, false],
  ])('status %d: ok is %s', async (status, ok) => {
    const response = await answered(subject, status)
    expect([response.status, response.ok]).toEqual([status, ok])
  })

  it('status 407 fails: nobody here asked a proxy', async () => {
    const error = await failure(answered(subject, 407))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
  })

  it.each([
    ['OK', 'OK'],
    ['Not at all OK', 'Not at all OK'],
    ['with: colon', 'with: colon'],
    ['in UTF-8: \xc3\xa4', 'in UTF-8: \xe4'],
  ])('statusText %j', async (sent, text) => {
    const response = await answered(subject, `200 ${sent}`)
    expect(response.statusText).toBe(text)
  })

  it.each(['HTTP/1.1 200 \r\n', 'HTTP/1.1 200\r\n', 'HTTP/1.0 200 \r\n'])('statusText of %j is empty', async (line) => {
    subject.peer.answer(`${line}content-length: 2\r\nconnection: close\r\n\r\nok`)
    const response = await subject.fetch(subject.url())
    expect([response.status, response.statusText, await response.text()]).toEqual([200, '', 'ok'])
  })

  it.each(['status', 'headers', 'body', 'url', 'ok', 'type'])('%s cannot be read of anything else', (name) => {
    const { get } = Object.getOwnPropertyDescriptor(Response.prototype, name) as { get: () => unknown }
    expect(() => get.call({})).toThrow(TypeError)
  })

  it('is printed with what it is', async () => {
    const response = await answered(subject, 404, ['content-type: text/plain'])
    const text = inspect(response)
    expect(text).toMatch(/^Response \{/)
    expect(text).toContain('status: 404')
    expect(text).toContain("statusText: 'Reason'")
    expect(text).toContain('ok: false')
    expect(text).toContain(`url: '${subject.url('/path?query')}'`)
    expect(text).toContain("'content-type': 'text/plain'")
    expect(text).toContain('bodyUsed: false')
  })

  it('cannot be cloned as data', async () => {
    const response = await answered(subject)
    const messageOf = (value: unknown): string => {
      try {
        structuredClone(value)
        return 'cloned'
      } catch (error) {
        return (error as Error).name
      }
    }
    expect(messageOf(response)).toBe(messageOf(new Response('body')))
  })

  it('can be extended by whoever holds it', async () => {
    const response = await answered(subject)
    Object.defineProperty(response, 'data', { value: 1 })
    Object.assign(response, { note: 'x' })
    expect(Object.keys(response)).toEqual(['note'])
    expect(await response.text()).toBe('body')
  })

  it('is no thenable', async () => expect(Reflect.get(await answered(subject), 'then')).toBeUndefined())

  it('is a promise until then', async () => {
    const call = subject.fetch(subject.url())
    expect(call).toBeInstanceOf(Promise)
    await call
  })
})

conformance('a response handed on', (subject) => {
  describe('as the body of another', () => {
    it('keeps body, status and headers', async () => {
      const response = await answered(subject, '201 Made', ['x-a: 1', 'set-cookie: a=1', 'set-cookie: b=2'])
      const other = new Response(response.body, response)
      expect([other.status, other.statusText, other.headers.get('x-a'), other.url]).toEqual([201, 'Made', '1', ''])
      expect(other.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
      other.headers.set('x-a', '2')
      expect(response.headers.get('x-a')).toBe('1')
      expect(await other.text()).toBe('body')
      expect(response.bodyUsed).toBe(true)
    })

    it('is refused when it was read', async () => {
      const response = await answered(subject)
      await response.text()
      expect(() => new Response(response.body)).toThrow(TypeError)
    })
  })

  it('as the body of a request', async () => {
    const response = await answered(subject, 200, [], 'passed on')
    const { body } = await subject.sent({ method: 'POST', body: response.body, duplex: 'half' })
    expect(String(body)).toBe('passed on')
    expect(response.bodyUsed).toBe(true)
  })

  it('to WebAssembly', async () => {
    const module = '\0asm\x01\0\0\0'
    const { compileStreaming, Module } = Reflect.get(globalThis, 'WebAssembly') as Wasm
    const wasm = await answered(subject, 200, ['content-type: application/wasm'], module)
    expect(await compileStreaming(wasm)).toBeInstanceOf(Module)
    expect(wasm.bodyUsed).toBe(true)
    for (const [status, type] of [
      [200, 'text/plain'],
      [404, 'application/wasm'],
    ] as const)
      expect(await failure(compileStreaming(answered(subject, status, [`content-type: ${type}`], module)))).toBeInstanceOf(TypeError)
  })
})

describe('whoever reads past the members of a Response of mesh.fetch', () => {
  const subject = new MeshSubject()
  beforeEach(() => subject.start())
  afterEach(() => subject.stop())

  it.each(['text', 'json', 'arrayBuffer', 'blob'] as const)(
    'hears a TypeError that says so from %s, and harms nobody else',
    async (name) => {
      const response = await answered(subject)
      const error = await failure(Response.prototype[name].call(response) as Promise<unknown>)
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toContain('through its own members only')
      expect(await response.text()).toBe('body')
      expect(await (await answered(subject)).text()).toBe('body')
    },
  )
})
