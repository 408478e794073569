import { describe, expect, it } from 'vitest'
import { Deliveries } from '../../../src/config/deliveries.ts'
import { DocumentReader, type ParsedDocument } from '../../../src/config/document-reader.ts'
import { KeptParts } from '../../../src/config/kept-parts.ts'
import { AddressPolicy } from '../../../src/core/address.ts'
import { createMesh, staticSource } from '../../../src/index.ts'
import type { Rejection, ResourceDelta, Sink } from '../../../src/model/source.ts'

const policy = (name: string, path: string): object => ({ name, rules: [{ to: [{ operation: { paths: [path] } }] }] })
const route = (host: string, prefix: string): object => ({
  hosts: [host],
  rules: [{ match: [{ path: { prefix } }], backends: [{ service: 'orders' }] }],
})
const document = (change: object = {}): object => ({
  services: { orders: { endpoints: ['10.0.0.1:80'] }, stock: { hosts: ['stock.example.com'], endpoints: ['10.0.0.2:80'] } },
  routes: [route('a', '/a'), route('b', '/b')],
  authorization: [policy('one', '/1'), policy('two', '/2')],
  ...change,
})

function reading(): (written: unknown) => ParsedDocument {
  const reader = new DocumentReader(new AddressPolicy([]), 'default')
  return (written) => {
    const read = reader.read(written)
    if ('problems' in read) throw new Error(JSON.stringify(read.problems))
    return read.output
  }
}

describe('a document that is read again', () => {
  it('keeps the object of each part that says the same', () => {
    const read = reading()
    const first = read(document())
    const next = read(
      document({ authorization: [policy('one', '/1'), policy('two', '/other')], routes: [route('a', '/a'), route('b', '/x')] }),
    )
    expect(next.services.get('orders')).toBe(first.services.get('orders'))
    expect(next.authorization[0]).toBe(first.authorization[0])
    expect(next.authorization[1]).not.toBe(first.authorization[1])
    expect(next.routes.map((each, index) => each === first.routes[index])).toEqual([true, false])
  })

  it('by name, wherever it stands', () => {
    const read = reading()
    const first = read(document())
    const next = read(document({ authorization: [policy('new', '/0'), policy('two', '/2'), policy('one', '/1')] }))
    expect(next.authorization.slice(1)).toEqual([first.authorization[1], first.authorization[0]])
    expect(next.authorization[1]).toBe(first.authorization[1])
  })

  it.each([
    ['another value', { name: 'one', rules: [{ to: [{ operation: { paths: ['/9'] } }] }] }],
    ['a key more', { name: 'one', dryRun: true, rules: [{ to: [{ operation: { paths: ['/1'] } }] }] }],
    ['a key less', { name: 'one' }],
    ['another type', { name: 'one', rules: [{ to: [{ operation: { paths: ['/1', '/1'] } }] }] }],
  ])('reads what has %s anew', (_, changed) => {
    const read = reading()
    const [first] = read(document()).authorization
    expect(read(document({ authorization: [changed] })).authorization[0]).not.toBe(first)
  })

  it('tells a key without a value from another one in its place', () => {
    const parts = new KeptParts(({ value }): { output: unknown } => ({ output: value }))
    parts.check('part', { name: 'one', dryRun: undefined })
    parts.settle(true)
    expect(parts.check('part', { name: 'one', action: 'DENY' })).toMatchObject({ output: { action: 'DENY' } })
  })

  it('reads anew what somebody may change under its hands', () => {
    const parts = new KeptParts((part): { output: object } => ({ output: { part } }))
    const same = (written: unknown): boolean => {
      const before = parts.check('part', written) as { output: object }
      parts.settle(true)
      return before.output === (parts.check('part', written) as { output: object }).output
    }
    expect([{ a: 1 }, { a: Buffer.from('x') }, { a: () => 1 }, { a: new Date(0) }].map(same)).toEqual([true, false, false, false])
  })

  it('finds what parts have in common only now', () => {
    const reader = new DocumentReader(new AddressPolicy([]), 'default')
    reader.read(document())
    const clash = reader.read(document({ routes: [route('a', '/a'), route('a:80', '/b'), { ...route('a', '/c'), name: 'third' }] }))
    expect(clash).toEqual({ problems: [{ path: ['routes', 2, 'hosts', 0], message: expect.stringContaining('already taken') }] })
    expect(reader.read(document({ authorization: [policy('one', '/1'), policy('one', '/2')] }))).toHaveProperty('problems')
    const stock = { hosts: ['orders'], endpoints: ['10.0.0.2:80'] }
    expect(reader.read(document({ services: { orders: { endpoints: ['10.0.0.1:80'] }, stock } }))).toHaveProperty('problems')
    expect(reader.read(document())).toHaveProperty('output')
  })

  it('compares with the last one that was right', () => {
    const reader = new DocumentReader(new AddressPolicy([]), 'default')
    const first = reader.read(document()) as { output: ParsedDocument }
    expect(reader.read(document({ authorization: [policy('one', '/changed'), { name: 'two', rules: 5 }] }))).toHaveProperty('problems')
    const again = reader.read(document()) as { output: ParsedDocument }
    expect(again.output.authorization[0]).toBe(first.output.authorization[0])
  })
})

describe('deliveries', () => {
  function sink(answer: () => Rejection[] = () => []): { sink: Sink; deltas: ResourceDelta[] } {
    const deltas: ResourceDelta[] = []
    const update = (delta: ResourceDelta): Rejection[] => {
      deltas.push(delta)
      return answer()
    }
    return { sink: { namespace: 'default', update } as unknown as Sink, deltas }
  }
  const names = ({ upserts, removals, complete }: ResourceDelta): unknown => ({
    upserts: upserts.map(({ kind, name }) => `${kind}/${name}`),
    removals: removals.map(({ kind, name }) => `${kind}/${name}`),
    complete,
  })

  it('hand on the first document whole, then what is different', () => {
    const read = reading()
    const { sink: given, deltas } = sink()
    const deliveries = new Deliveries(given, 'default')
    deliveries.deliver(read(document()), '1')
    deliveries.deliver(read(document()), '2')
    deliveries.deliver(read(document({ services: { orders: { timeout: '1s' } }, authorization: [policy('two', '/2')] })), '3')
    expect(deltas[0]?.complete).toBe(true)
    expect(names(deltas[1] as ResourceDelta)).toEqual({ upserts: [], removals: [], complete: false })
    expect(names(deltas[2] as ResourceDelta)).toEqual({
      upserts: ['service/orders', 'traffic-policy/orders', 'authorization/two'],
      removals: ['endpoints/orders', 'service/stock', 'endpoints/stock', 'authorization/one'],
      complete: false,
    })
  })

  it('hand on everything again after something was not taken', () => {
    const read = reading()
    const refused: Rejection = { kind: 'route', namespace: 'default', name: 'a', problems: ['no'] }
    const answers = [[], [refused], []]
    const { sink: given, deltas } = sink(() => answers.shift() ?? [])
    const deliveries = new Deliveries(given, 'default')
    for (const version of ['1', '2', '3']) deliveries.deliver(read(document()), version)
    expect(deltas.map(({ complete }) => complete)).toEqual([true, false, true])
  })
})

describe('a push', () => {
  it('takes effect as a whole, or not at all', () => {
    const source = staticSource({ authorization: [policy('one', '/1'), policy('two', '/2')] as never })
    const mesh = createMesh({ sources: [source] })
    mesh.ready().catch(() => {})
    const allowed = (): boolean[] => ['/1', '/2', '/3'].map((path) => mesh.authorize({ path }).action === 'allow')
    expect(allowed()).toEqual([true, true, false])
    const refused = source.update({ authorization: [policy('three', '/3'), { name: 'two', rules: [{ to: 'x' }] }] as never })
    expect(refused[0]?.problems[0]).toMatch(/^authorization\[1\]\.rules\[0\]\.to: /)
    expect(allowed()).toEqual([true, true, false])
    source.update({ authorization: [policy('three', '/3'), policy('two', '/2')] as never })
    expect(allowed()).toEqual([false, true, true])
  })

  it('keeps the object of every policy and route that is the same', () => {
    const source = staticSource(document() as never)
    const mesh = createMesh({ sources: [source] })
    mesh.ready().catch(() => {})
    const versions = mesh.snapshot().version
    source.update(document() as never)
    expect(mesh.snapshot().version).toBe(versions)
    source.update(document({ authorization: [policy('one', '/1'), policy('two', '/other')] }) as never)
    expect(mesh.snapshot().version).toBe(versions + 1)
  })
})
