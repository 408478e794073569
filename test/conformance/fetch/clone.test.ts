import { expect, it } from 'vitest'
import { reply } from './peer.ts'
import { conformance } from './subjects.ts'

conformance('a clone', (subject) => {
  const answered = (text = 'body'): Promise<Response> => {
    subject.peer.answer(reply(201, ['x-a: 1', 'set-cookie: a=1', 'set-cookie: b=2'], text))
    return subject.fetch(subject.url('/cloned'))
  }

  it('is a Response with the same head', async () => {
    const response = await answered()
    const copy = response.clone()
    expect(copy).not.toBe(response)
    expect([copy.constructor, copy.status, copy.statusText, copy.ok, copy.url, copy.type, copy.redirected]).toEqual([
      Response,
      201,
      'Reason',
      true,
      subject.url('/cloned'),
      response.type,
      false,
    ])
    expect([...copy.headers]).toEqual([...response.headers])
    expect(copy.headers).not.toBe(response.headers)
    expect(() => copy.headers.set('x-a', '2')).toThrow(TypeError)
  })

  it.each([
    ['the original first', 0, 1],
    ['the copy first', 1, 0],
  ])('is read as well, %s', async (_, first, second) => {
    const response = await answered()
    const both = [response, response.clone()] as const
    expect(await both[first as 0].text()).toBe('body')
    expect(both[second as 1].bodyUsed).toBe(false)
    expect(await both[second as 1].text()).toBe('body')
  })

  it('is read at the same time, in another way', async () => {
    const response = await answered('{"a":1}')
    const copy = response.clone()
    expect(await Promise.all([response.json(), copy.arrayBuffer().then((buffer) => buffer.byteLength)])).toEqual([{ a: 1 }, 7])
  })

  it('of a large body is read at the same time', async () => {
    const response = await answered('x'.repeat(2_000_000))
    const copy = response.clone()
    expect((await Promise.all([response.text(), copy.text()])).map(({ length }) => length)).toEqual([2_000_000, 2_000_000])
  })

  it('has a clone', async () => {
    const response = await answered()
    const second = response.clone().clone()
    expect([await second.text(), await response.text()]).toEqual(['body', 'body'])
  })

  it('is not to be had once the body was read, or while it is', async () => {
    const response = await answered()
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    expect(() => response.clone()).toThrow(TypeError)
    reader.releaseLock()
    await response.text()
    expect(() => response.clone()).toThrow(TypeError)
  })

  it('does without a body', async () => {
    subject.peer.answer(reply(204))
    const copy = (await subject.fetch(subject.url())).clone()
    expect([copy.status, copy.body, await copy.text()]).toEqual([204, null, ''])
  })

  it('goes on when the other is cancelled', async () => {
    const response = await answered('x'.repeat(500_000))
    const copy = response.clone()
    void response.body?.cancel()
    expect((await copy.text()).length).toBe(500_000)
  })
})
