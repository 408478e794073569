import { describe, expect, it } from 'vitest'
import { ClientPool, type PooledClient } from '../../../src/outbound/client-pool.ts'
import type { Client, DispatchHandler, DispatchOptions } from '../../../src/outbound/handler.ts'
import { endpointsOf } from '../../support/sample.ts'

type Event = 'drain' | 'disconnect' | 'connectionError'

/** A client that takes one request at a time, as undici's over HTTP/1.1; the test says what happens on its connection. */
class FakeClient implements Client {
  readonly stats = { connected: true, pending: 0, running: 0, size: 0 }
  readonly sent: string[] = []
  takesMore = false
  closed = false
  private readonly listeners = new Map<Event, () => void>()

  on(event: Event, listener: () => void): void {
    this.listeners.set(event, listener)
  }
  tell(event: Event): void {
    this.listeners.get(event)?.()
  }
  dispatch({ path }: DispatchOptions, handler: DispatchHandler): boolean {
    this.sent.push(path)
    if (path === 'refused') handler.onError?.(new Error('invalid'))
    else if (path === 'undialled') this.tell('connectionError')
    else if (!this.takesMore) this.carry(1)
    return this.takesMore || path === 'undialled'
  }
  carry(requests: number): void {
    this.stats.running = requests
    this.stats.size = requests
  }
  async close(): Promise<void> {
    this.closed = true
  }
  async destroy(): Promise<void> {
    this.closed = true
  }
}

class FakeRequest {
  over = false
  client: PooledClient | undefined = undefined
  get connection(): FakeClient {
    return (this.client as PooledClient).client as FakeClient
  }
  readonly handler: DispatchHandler = {
    onError: () => {
      this.over = true
    },
  }
}

function make(max = 10) {
  const clients: FakeClient[] = []
  const [endpoint] = endpointsOf(1)
  if (endpoint === undefined) throw new Error('no endpoint')
  const pool = new ClientPool(endpoint, max, () => {
    const client = new FakeClient()
    clients.push(client)
    return client
  })
  const send = (path: string): FakeRequest => {
    const request = new FakeRequest()
    pool.send({ path, method: 'GET' }, request)
    return request
  }
  /** Where requests went: those of each connection that was ever opened. */
  const sent = (): string[][] => clients.map((client) => client.sent)
  /** The answer ended, and undici has not looked at the connection since. */
  const end = (request: FakeRequest): void => {
    request.connection.carry(0)
    request.client?.ended()
  }
  const drain = ({ connection }: FakeRequest): void => connection.tell('drain')
  return { pool, clients, endpoint, send, sent, end, drain }
}

describe('a pool of clients', () => {
  it('opens a connection for each request under way, and counts them with the endpoint', () => {
    const { send, sent, endpoint, pool } = make()
    send('a')
    send('b')
    expect(sent()).toEqual([['a'], ['b']])
    expect(endpoint.connections).toBe(2)
    expect(pool.stats).toEqual({ connected: 2, free: 0, running: 2, pending: 0 })
  })

  it('uses the one that was free last', () => {
    const { send, sent, end, drain } = make()
    const [a, b] = [send('a'), send('b')]
    for (const each of [a, b]) {
      end(each)
      drain(each)
    }
    send('c')
    expect(sent()).toEqual([['a'], ['b', 'c']])
  })

  it('waits for a connection whose answer has just ended instead of opening one more', () => {
    const { send, sent, end, drain } = make()
    const a = send('a')
    end(a)
    send('b')
    expect(sent()).toEqual([['a']])
    // One is about to be free, and two want one.
    send('c')
    expect(sent()).toEqual([['a'], ['c']])
    drain(a)
    expect(sent()).toEqual([['a', 'b'], ['c']])
  })

  it('opens another when the connection that it waited for is closed', () => {
    const { send, sent, end, clients, endpoint } = make()
    const a = send('a')
    end(a)
    send('b')
    clients[0]?.tell('disconnect')
    expect(sent()).toEqual([['a'], ['b']])
    expect(endpoint.connections).toBe(1)
    // What undici says of the lost one is of no account.
    clients[0]?.tell('drain')
    a.client?.ended()
    send('c')
    expect(sent()).toEqual([['a'], ['b'], ['c']])
  })

  it('forgets a free connection that was closed, and one that never came about', () => {
    const { send, end, drain, clients, endpoint, sent } = make()
    const a = send('a')
    end(a)
    drain(a)
    clients[0]?.tell('disconnect')
    expect(endpoint.connections).toBe(0)
    send('b')
    clients[1]?.tell('connectionError')
    clients[1]?.tell('connectionError')
    expect(endpoint.connections).toBe(0)
    send('c')
    expect(sent()).toEqual([['a'], ['b'], ['c']])
  })

  it('keeps a connection that undici makes anew for a request it still has', () => {
    const { send, clients, endpoint } = make()
    send('a')
    ;(clients[0] as FakeClient).stats.pending = 1
    clients[0]?.tell('disconnect')
    expect(endpoint.connections).toBe(1)
  })

  it('lets what finds no room wait in line, and passes over who has left', async () => {
    const { send, sent, end, drain, pool, clients } = make(1)
    const a = send('a')
    const [b] = [send('b'), send('c')]
    expect(pool.stats.pending).toBe(2)
    b.over = true
    let closed = false
    const closing = pool.close().then(() => {
      closed = true
    })
    await Promise.resolve()
    expect([closed, clients[0]?.closed]).toEqual([false, false])
    end(a)
    drain(a)
    expect(sent()).toEqual([['a', 'c']])
    await closing
    expect(clients[0]?.closed).toBe(true)
  })

  it('a connection that fails at once is none', () => {
    const { send, sent, endpoint } = make()
    send('undialled')
    expect(endpoint.connections).toBe(0)
    send('a')
    expect(sent()).toEqual([['undialled'], ['a']])
  })

  it('a request that is refused at once costs no connection', () => {
    const { send, sent, pool } = make()
    send('refused')
    send('a')
    expect(sent()).toEqual([['refused', 'a']])
    expect(pool.stats.free).toBe(0)
  })

  it('a word of undici that comes late frees no connection that is in use again', () => {
    const { send, sent, clients } = make()
    send('a')
    clients[0]?.tell('drain')
    send('b')
    expect(sent()).toEqual([['a'], ['b']])
  })

  it('sends more over a connection that takes more', () => {
    const { send, sent, clients, end, drain } = make()
    const a = send('a')
    end(a)
    drain(a)
    ;(clients[0] as FakeClient).takesMore = true
    send('b')
    send('c')
    expect(sent()).toEqual([['a', 'b', 'c']])
  })
})
