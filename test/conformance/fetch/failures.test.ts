import { expect, it } from 'vitest'
import { CHUNKED, chunked, type Script } from './peer.ts'
import { conformance, failure, type Subject } from './subjects.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

/** Writes, and ends the connection when the other side has read that. */
const then =
  (how: 'rst' | 'fin', ...parts: (string | Uint8Array)[]): Script =>
  ({ socket }) => {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)))
    if (how === 'fin') socket.end(bytes)
    // A reset overtakes what was written just before.
    else socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 20))
  }

/** No answer came about. */
const NO_ANSWER: [string, Script][] = [
  ['a reset in place of an answer', ({ socket }) => socket.resetAndDestroy()],
  ['an end in place of an answer', ({ socket }) => socket.end()],
  ['a reset within the head', then('rst', OK, 'x-a: ')],
  ['an end within the head', then('fin', OK, 'x-a: ')],
  ['another protocol', then('fin', 'SSH-2.0-OpenSSH_9.2\r\n\r\n')],
  ['another version', then('fin', 'HTTP/9.9 200 OK\r\n\r\n')],
  ['a header without colon', then('fin', OK, 'nonsense\r\n\r\n')],
  ['a content-length that is no number', then('fin', OK, 'content-length: many\r\n\r\n')],
  ['two content-lengths that differ', then('fin', OK, 'content-length: 1\r\ncontent-length: 2\r\n\r\nab')],
  ['length and chunks at once', then('fin', OK, `content-length: 1\r\n${CHUNKED}\r\n\r\n`, chunked(['a']))],
  ['a null byte in a header', then('fin', OK, 'x-a: \0\r\ncontent-length: 0\r\n\r\n')],
  ['an early answer and then none', then('fin', 'HTTP/1.1 103 Early Hints\r\n\r\n')],
]

/** The head came, the body broke. */
const BROKEN: [string, Script, arrived: string][] = [
  ['a reset within a counted body', then('rst', OK, 'content-length: 100\r\n\r\npartial'), 'partial'],
  ['an end within a counted body', then('fin', OK, 'content-length: 100\r\n\r\npartial'), 'partial'],
  ['a reset within a chunk', then('rst', OK, `${CHUNKED}\r\n\r\n64\r\npartial`), 'partial'],
  ['an end within a chunk', then('fin', OK, `${CHUNKED}\r\n\r\n64\r\npartial`), 'partial'],
  ['an end after a chunk', then('fin', OK, `${CHUNKED}\r\n\r\n7\r\npartial\r\n`), 'partial'],
  ['an end within the last chunk', then('fin', OK, `${CHUNKED}\r\n\r\n7\r\npartial\r\n0\r\n`), 'partial'],
  ['a chunk size that is none', then('fin', OK, `${CHUNKED}\r\n\r\n7\r\npartial\r\nZZ\r\n`), 'partial'],
  ['a chunk longer than it says', then('fin', OK, `${CHUNKED}\r\n\r\n7\r\npartial and more\r\n0\r\n\r\n`), 'partial'],
  ['an end before any byte', then('fin', OK, 'content-length: 100\r\n\r\n'), ''],
]

async function brokenBy(subject: Subject, script: Script): Promise<Response> {
  subject.peer.answer(script)
  return subject.fetch(subject.url())
}

conformance('no answer', (subject) => {
  it.each(NO_ANSWER)('%s fails', async (_, script) => {
    const error = await failure(brokenBy(subject, script))
    expect([error.constructor, error.name, error.message]).toEqual([TypeError, 'TypeError', 'fetch failed'])
    expect(error.cause).toBeInstanceOf(Error)
    expect(error.stack).toContain('TypeError: fetch failed')
  })

  it.each(NO_ANSWER)('%s fails a POST', async (_, script) => {
    subject.peer.answer(script)
    const error = await failure(subject.fetch(subject.url(), { method: 'POST', body: 'text' }))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
    expect(subject.peer.seen.length).toBe(1)
  })

  it('where nobody listens fails', async () => {
    await subject.peer.close()
    const error = await failure(subject.fetch(subject.url()))
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'fetch failed', true])
  })

  it('for a host that does not exist fails', async () => {
    const error = await failure(subject.fetch('http://no-such-host.invalid/'))
    expect([error.constructor, error.message, error.cause.code]).toEqual([
      TypeError,
      'fetch failed',
      expect.stringMatching(/^ENOTFOUND|EAI_AGAIN$/),
    ])
  })

  it('on a port that browsers may not visit fails', async () => {
    const error = await failure(subject.fetch('http://127.0.0.1:6000/'))
    expect([error.constructor, error.message, error.cause.message]).toEqual([TypeError, 'fetch failed', 'bad port'])
  })

  it('leaves the next call alone', async () => {
    subject.peer.answer({ '/broken': ({ socket }) => socket.resetAndDestroy() })
    await failure(subject.fetch(subject.url('/broken'), { method: 'POST', body: 'x' }))
    expect(await (await subject.fetch(subject.url('/whole'))).text()).toBe('ok')
  })
})

conformance('a broken body', (subject) => {
  it.each(BROKEN)('%s fails text()', async (_, script) => {
    const response = await brokenBy(subject, script)
    expect(response.status).toBe(200)
    const error = await failure(response.text())
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'terminated', true])
    expect(response.bodyUsed).toBe(true)
  })

  it.each(BROKEN)('%s fails a reader after what came', async (_, script, arrived) => {
    const reader = ((await brokenBy(subject, script)).body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    const read = async (): Promise<never> => {
      for (;;) text += Buffer.from((await reader.read()).value ?? 'an end').toString()
    }
    const error = await failure(read())
    expect([error.constructor, error.message, error.cause instanceof Error]).toEqual([TypeError, 'terminated', true])
    expect(await failure(reader.closed)).toBe(error)
    // What came in the very moment of the break may be lost.
    expect([arrived, '']).toContain(text)
  })

  it.each(['json', 'arrayBuffer', 'blob', 'formData'] as const)('fails %s()', async (read) => {
    const response = await brokenBy(
      subject,
      then('fin', OK, 'content-type: multipart/form-data; boundary=x\r\ncontent-length: 100\r\n\r\n--x'),
    )
    expect(await failure(response[read]())).toBeInstanceOf(TypeError)
  })

  it('fails a loop', async () => {
    const response = await brokenBy(subject, then('fin', OK, 'content-length: 100\r\n\r\npartial'))
    const loop = async (): Promise<void> => {
      for await (const _ of response.body as unknown as AsyncIterable<Uint8Array>);
    }
    expect((await failure(loop())).message).toBe('terminated')
  })

  it('fails a pipe, which tells where it leads to', async () => {
    const response = await brokenBy(subject, then('fin', OK, 'content-length: 100\r\n\r\npartial'))
    const seen: unknown[] = []
    const error = await failure((response.body as ReadableStream).pipeTo(new WritableStream({ abort: (reason) => void seen.push(reason) })))
    expect([error.message, seen]).toEqual(['terminated', [error]])
  })

  it('fails both branches of a clone', async () => {
    const response = await brokenBy(subject, then('fin', OK, 'content-length: 100\r\n\r\npartial'))
    const errors = await Promise.all([response.clone(), response].map((each) => failure(each.text())))
    expect(errors.map(({ message }) => message)).toEqual(['terminated', 'terminated'])
  })

  it('that nobody reads leaves no rejection behind', async () => {
    await brokenBy(subject, then('fin', OK, 'content-length: 100\r\n\r\npartial'))
    await (await subject.peer.request(1)).closed
  })

  it('leaves the next call alone', async () => {
    subject.peer.answer({ '/broken': then('fin', OK, 'content-length: 100\r\n\r\npartial') })
    await failure((await subject.fetch(subject.url('/broken'))).text())
    expect(await (await subject.fetch(subject.url('/whole'))).text()).toBe('ok')
  })

  it('with bytes after its end is whole, and they go to nobody', async () => {
    const intruder = `${OK}content-length: 8\r\n\r\nintruder`
    subject.peer.answer({ '/first': ({ write }) => write(`${OK}content-length: 2\r\n\r\nok${intruder}`) })
    for (let turn = 0; turn < 5; turn++) {
      expect(await (await subject.fetch(subject.url('/first'))).text()).toBe('ok')
      expect(await (await subject.fetch(subject.url('/next'))).text()).toBe('ok')
    }
  })
})
