import { describe, expect, it } from 'vitest'
import { parseMeshOptions } from '../../../src/config/mesh-options.ts'
import { ConfigStore } from '../../../src/config/store.ts'
import { createMesh, staticSource } from '../../../src/index.ts'
import type { AuthorizationPolicyOptions } from '../../../src/model/authorization.ts'
import { formatProvenance, type Resource } from '../../../src/model/resources.ts'
import type { AuthorizationState } from '../../../src/model/snapshot.ts'

const deny = (name: string, more: Partial<AuthorizationPolicyOptions> = {}): AuthorizationPolicyOptions => ({
  name,
  action: 'deny',
  rules: [{}],
  ...more,
})
const resource = (policy: AuthorizationPolicyOptions, order = 0): Resource => ({
  kind: 'authorization',
  namespace: policy.namespace ?? 'default',
  name: policy.name,
  order,
  policy,
})
const delta = (upserts: unknown[], complete = true) => ({ version: '1', upserts: upserts as Resource[], removals: [], complete })

/** A state as texts, which read better in a failure. */
function formatted({ policies, missing }: AuthorizationState = { policies: [], missing: [] }): { policies: string[]; missing: string[] } {
  return {
    policies: policies.map(({ from }) => formatProvenance(from)),
    missing: missing.map(({ from, reason, pending }) => `${from}: ${reason}${pending ? ' (pending)' : ''}`),
  }
}

function make(resources: Resource[] = []) {
  const states: AuthorizationState[] = []
  let versions = 0
  const store = new ConfigStore({
    namespace: 'default',
    defaults: {},
    resources,
    onChange: () => versions++,
    onAuthorization: (state) => states.push(state),
  })
  return { store, states, versions: () => versions, last: () => formatted(states.at(-1)) }
}

describe('authorization in the store', () => {
  it('the options win, then the later source; the stronger source’s come first, each in its order', () => {
    const { store, last } = make([resource(deny('o'))])
    const [first, second] = [store.register('first'), store.register('second')]
    first(delta([resource(deny('a'), 1), resource(deny('b'), 0), resource(deny('o'))]))
    second(delta([resource(deny('a'))]))
    expect(last()).toEqual({
      policies: ['options/authorization/default/o', 'second/authorization/default/a', 'first/authorization/default/b'],
      missing: [],
    })
    expect(store.snapshot.authorization).toHaveLength(3)
    second(delta([]))
    expect(last().policies).toEqual(['options/authorization/default/o', 'first/authorization/default/b', 'first/authorization/default/a'])
  })

  it('tells only what is different, and keeps what says the same', () => {
    const { store, states, versions } = make()
    const apply = store.register('s')
    apply(delta([resource(deny('a')), resource(deny('b'))]))
    const former = store.snapshot.authorization
    apply(delta([resource(deny('a')), resource(deny('b'))]))
    expect([store.snapshot.authorization, versions(), states.length]).toEqual([former, 1, 2])
    expect(store.snapshot.authorization).toBe(former)
    apply(delta([resource(deny('a')), resource(deny('b', { dryRun: true }))]))
    expect([store.snapshot.authorization[0] === former[0], store.snapshot.authorization[1] === former[1]]).toEqual([true, false])
    expect([versions(), states.length]).toEqual([2, 3])
  })

  const broken = { ...resource(deny('a')), policy: { ...deny('a'), rules: [{ form: [] }] } }

  it('a policy that is rejected keeps its former version', () => {
    const { store, last } = make()
    const apply = store.register('s')
    apply(delta([resource(deny('a'))]))
    expect(apply(delta([broken]))).toEqual([
      { kind: 'authorization', namespace: 'default', name: 'a', problems: ['policy.rules[0].form: unknown key'] },
    ])
    expect(last()).toEqual({ policies: ['s/authorization/default/a'], missing: [] })
  })

  it('one without a former version is missing, until it comes right or goes', () => {
    const { store, last } = make()
    const apply = store.register('s')
    apply(delta([broken]))
    expect(last()).toEqual({ policies: [], missing: ['s/authorization/default/a: policy.rules[0].form: unknown key'] })
    apply(delta([resource(deny('a'))]))
    expect(last()).toEqual({ policies: ['s/authorization/default/a'], missing: [] })
    apply(delta([]))
    apply(delta([broken]))
    apply(delta([resource(deny('b'))]))
    expect(last()).toEqual({ policies: ['s/authorization/default/b'], missing: [] })
    apply(delta([broken], false))
    expect(last().missing).toHaveLength(1)
    apply({ ...delta([], false), removals: [{ kind: 'authorization', namespace: 'default', name: 'a' }] })
    expect(last().missing).toEqual([])
  })

  it('what another source holds is no former version', () => {
    const { store, last } = make()
    store.register('first')(delta([resource(deny('a'))]))
    store.register('second')(delta([broken]))
    expect(last().missing).toHaveLength(1)
  })

  it('a source that may hold policies is waited for; what it says when it fails is why', () => {
    const { store, last } = make()
    const apply = store.register('s', { inbound: true })
    expect(last().missing).toEqual(['s: the source has not answered yet (pending)'])
    store.failed('s', 'cannot be read')
    expect(last().missing).toEqual(['s: cannot be read'])
    apply(delta([]))
    expect(last().missing).toEqual([])
    store.failed('s', 'cannot be read')
    expect(last().missing).toEqual([])
  })

  it('a resource that is not what it says is rejected', () => {
    const { store } = make()
    const apply = store.register('s')
    const ask = (change: object) => apply(delta([{ ...resource(deny('a')), ...change }]))[0]?.problems
    expect(ask({ order: 'x' })).toEqual(['order: expected a whole number'])
    expect(ask({ policy: deny('b') })).toEqual(['policy: expected the name and namespace of the resource'])
    expect(ask({ policy: undefined })).toEqual(['policy: expected an object, got undefined'])
  })
})

describe('authorization in the options', () => {
  it('is copied, checked and cannot be changed later', () => {
    const written = [deny('a', { rules: [{ to: [{ operation: { paths: ['/a'] } }] }] })]
    const { resources } = parseMeshOptions({ namespace: 'shop', inbound: { authorization: written } })
    ;(written[0] as { name: string }).name = 'b'
    expect(resources).toMatchObject([{ kind: 'authorization', namespace: 'shop', name: 'a', order: 0 }])
    const [{ policy }] = resources as unknown as [{ policy: AuthorizationPolicyOptions }]
    expect([Object.isFrozen(policy), Object.isFrozen(policy.rules), Object.isFrozen(policy.rules?.[0]?.to?.[0])]).toEqual([
      true,
      true,
      true,
    ])
  })

  it('says everything that is wrong, with its path', () => {
    const options = {
      inbound: {
        authorization: [
          deny('a'),
          { ...deny('b'), namespace: 'x y' },
          deny('a'),
          { name: 'c', rules: [{ to: [{ operation: { path: ['/'] } }] }] },
        ],
      },
    }
    expect(() => createMesh(options as never)).toThrow(
      [
        'inbound.authorization[1].namespace: expected a namespace: letters, digits and dashes, at most 63, got "x y"',
        'inbound.authorization[3].rules[0].to[0].operation.path: unknown key, did you mean "paths"?',
      ].join('\n'),
    )
    expect(() => createMesh({ inbound: { authorization: [deny('a'), deny('a', { namespace: 'other' })] } })).toThrow(
      'inbound.authorization[1].name: a is already the name of number 0',
    )
    expect(() =>
      createMesh({ inbound: { authorization: [deny('a', { namespace: 'one' }), deny('a', { namespace: 'other' })] } }),
    ).not.toThrow()
  })
})

describe('authorization in a mesh', () => {
  it('comes from a static source, changes with it, and stays when a document is refused', async () => {
    const source = staticSource({ authorization: [deny('a', { rules: [{ to: [{ operation: { paths: ['/a'] } }] }] })] })
    const mesh = createMesh({ sources: [source] })
    const ask = (path: string) => mesh.authorize({ path })
    expect(ask('/a')).toMatchObject({ action: 'deny', from: 'static' })
    await mesh.ready()
    expect(ask('/a')).toMatchObject({ action: 'deny', rule: 'a', from: 'static/authorization/default/a#rules[0]' })
    expect(ask('/b')).toMatchObject({ action: 'allow', rule: '' })
    const changes: unknown[] = []
    mesh.on('configChanged', ({ services }) => changes.push(services))
    expect(source.update({ authorization: [{ name: 'a', action: 'deny' }] })).toHaveLength(1)
    expect(ask('/a').rule).toBe('a')
    source.update({ authorization: [deny('b')] })
    expect([ask('/b').rule, mesh.snapshot().authorization.map(({ name }) => name), changes]).toEqual(['b', ['b'], [[]]])
    source.update({})
    expect([ask('/a').action, mesh.stats().inbound.authorization.policies]).toEqual(['allow', 0])
    await mesh.close()
  })

  it('asks as from nobody for the mesh’s own service when nothing is said', () => {
    const mesh = createMesh({
      service: 'web',
      inbound: { authorization: [{ name: 'a', rules: [{ to: [{ operation: { hosts: ['web'] } }] }] }] },
    })
    expect(mesh.authorize()).toEqual({
      action: 'allow',
      rule: 'a',
      reason: 'the policy a allows this request',
      from: 'options/authorization/default/a#rules[0]',
    })
  })
})
