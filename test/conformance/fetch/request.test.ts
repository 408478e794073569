import { expect, it } from 'vitest'
import { conformance, failure } from './subjects.ts'

conformance('a Request', (subject) => {
  it('brings its method, headers and body', async () => {
    const request = new Request(subject.url('/r'), { method: 'put', headers: { 'X-A': '1' }, body: 'text' })
    const response = await subject.fetch(request)
    expect(response.status).toBe(200)
    const { method, path, headers, body } = await subject.peer.request(1)
    expect({ method, path, body: String(body) }).toEqual({ method: 'PUT', path: '/r', body: 'text' })
    expect(headers).toMatchObject({ 'x-a': '1', 'content-type': 'text/plain;charset=UTF-8', 'content-length': '4' })
  })

  it('is used up when it had a body', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await subject.fetch(request)
    expect(request.bodyUsed).toBe(true)
    expect(await failure(subject.fetch(request))).toBeInstanceOf(TypeError)
    expect(subject.peer.seen.length).toBe(1)
  })

  it('can be sent twice when it had none', async () => {
    const request = new Request(subject.url(), { headers: { 'x-a': '1' } })
    await subject.fetch(request)
    await subject.fetch(request)
    expect(subject.peer.seen.map(({ headers }) => headers['x-a'])).toEqual(['1', '1'])
  })

  it('and its clone are sent both', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    const copy = request.clone()
    await subject.fetch(request)
    await subject.fetch(copy)
    await Promise.all(subject.peer.seen.map(({ complete }) => complete))
    expect(subject.peer.seen.map(({ body }) => String(body))).toEqual(['text', 'text'])
  })

  it('that was read is refused', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await request.text()
    expect(await failure(subject.fetch(request))).toBeInstanceOf(TypeError)
    expect(subject.peer.seen).toEqual([])
  })

  it('that was read goes out with another body', async () => {
    const request = new Request(subject.url(), { method: 'POST', body: 'text' })
    await request.text()
    await subject.fetch(request, { body: 'other' })
    const seen = await subject.peer.request(1)
    await seen.complete
    expect(String(seen.body)).toBe('other')
  })

  it('gives way to init: method, headers as a whole, body', async () => {
    const request = new Request(subject.url(), { method: 'PUT', headers: { 'x-a': '1', 'x-b': '2' }, body: 'text' })
    await subject.fetch(request, { method: 'PATCH', headers: { 'x-c': '3' }, body: new Uint8Array([1, 2]) })
    const { method, headers, body, complete } = await subject.peer.request(1)
    await complete
    expect([method, [...body]]).toEqual(['PATCH', [1, 2]])
    expect([headers['x-a'], headers['x-b'], headers['x-c']]).toEqual([undefined, undefined, '3'])
  })

  it('keeps what init leaves undefined', async () => {
    const request = new Request(subject.url(), { method: 'PUT', headers: { 'x-a': '1' }, body: 'text' })
    const { fetch } = subject
    await fetch.call(subject, request, { method: undefined, headers: undefined, body: undefined, redirect: undefined, signal: undefined })
    const { method, headers, body, complete } = await subject.peer.request(1)
    await complete
    expect([method, headers['x-a'], String(body)]).toEqual(['PUT', '1', 'text'])
  })

  it('of a subclass is sent as what it is', async () => {
    class Own extends Request {}
    await subject.fetch(new Own(subject.url('/own'), { method: 'DELETE' }))
    const { method, path } = await subject.peer.request(1)
    expect([method, path]).toEqual(['DELETE', '/own'])
  })

  it('in place of init is read as a bag of options', async () => {
    const request = new Request(subject.url('/other'), { method: 'PUT', headers: { 'x-a': '1' } })
    const { method, path, headers } = await subject.sent(request as never)
    expect([method, path, headers['x-a']]).toEqual(['PUT', '/', '1'])
  })
})
