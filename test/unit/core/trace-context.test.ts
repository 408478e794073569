import { describe, expect, it } from 'vitest'
import { boundedBaggage } from '../../../src/core/baggage.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { childTraceparent, newTrace, parseTrace } from '../../../src/core/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const PARENT = `00-${TRACE}-${SPAN}-01`

describe('traceparent', () => {
  it.each([
    ['version 00', PARENT, { traceId: TRACE, parentId: SPAN, sampled: true }],
    ['not sampled', `00-${TRACE}-${SPAN}-00`, { sampled: false }],
    ['flags that are not known', `00-${TRACE}-${SPAN}-ff`, { sampled: true }],
    ['flags that are not known, without the one that is', `00-${TRACE}-${SPAN}-fe`, { sampled: false }],
    ['a later version', `cc-${TRACE}-${SPAN}-01`, { sampled: true }],
    ['a later version with more to say', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, { sampled: true }],
    ['a later version with an empty rest', `cc-${TRACE}-${SPAN}-01-`, { sampled: true }],
  ])('%s is read', (_, written, expected) => expect(parseTrace([written], [])).toMatchObject(expected))

  it.each([
    ['nothing', []],
    ['two of them', [PARENT, PARENT]],
    ['version ff', [`ff-${TRACE}-${SPAN}-01`]],
    ['a longer version 00', [`${PARENT}-more`]],
    ['version 00 with a dash behind', [`${PARENT}-`]],
    ['a later version that goes on without a dash', [`cc-${TRACE}-${SPAN}-01.what`]],
    ['upper case', [PARENT.toUpperCase()]],
    ['a trace of zeros', [`00-${'0'.repeat(32)}-${SPAN}-01`]],
    ['a span of zeros', [`00-${TRACE}-${'0'.repeat(16)}-01`]],
    ['no digits', [`00-${TRACE.replace('0', 'g')}-${SPAN}-01`]],
    ['a trace too short', [`00-${TRACE.slice(1)}-${SPAN}-01`]],
    ['a span too long', [`00-${TRACE}-${SPAN}0-01`]],
    ['flags of one digit', [`00-${TRACE}-${SPAN}-1`]],
    ['a version of three digits', [`000-${TRACE}-${SPAN}-01`]],
    ['another separator', [PARENT.replaceAll('-', '_')]],
    ['spaces inside', [` ${PARENT}`]],
    ['a line behind', [`${PARENT}\n`]],
  ])('%s is none, and the state goes with it', (_, written) => expect(parseTrace(written, ['a=1'])).toBeUndefined())
})

describe('tracestate', () => {
  const state = (...values: string[]): string | undefined => parseTrace([PARENT], values)?.state

  it.each([
    ['one member', ['foo=1'], 'foo=1'],
    ['two headers, in their order', ['foo=1,bar=2', 'baz=3'], 'foo=1,bar=2,baz=3'],
    ['space around members', ['foo=1 \t , \t bar=2, \t baz=3'], 'foo=1,bar=2,baz=3'],
    ['empty members', ['foo=1,,bar=2,', ''], 'foo=1,bar=2'],
    ['a tenant', ['0tenant@vendor=x'], '0tenant@vendor=x'],
    ['all characters of a key', ['abcdefghijklmnopqrstuvwxyz0123456789_-*/=1'], 'abcdefghijklmnopqrstuvwxyz0123456789_-*/=1'],
    ['a value with space inside', ['foo=a b'], 'foo=a b'],
    ['a key as long as may be', [`${'z'.repeat(256)}=1`], `${'z'.repeat(256)}=1`],
    ['a tenant as long as may be', [`${'t'.repeat(241)}@${'v'.repeat(14)}=1`], `${'t'.repeat(241)}@${'v'.repeat(14)}=1`],
    ['nothing', [], undefined],
    ['only empty members', [' , ,'], undefined],
  ])('%s', (_, values, expected) => expect(state(...values)).toBe(expected))

  it.each([
    ['a key twice', ['foo=1,foo=2']],
    ['a key twice over two headers', ['foo=1', 'foo=1']],
    ['a key with a space', ['foo =1']],
    ['an upper case key', ['FOO=1']],
    ['no key', ['=1']],
    ['no value', ['foo']],
    ['an empty value', ['foo=']],
    ['a value with an equals sign', ['foo=bar=baz']],
    ['a tenant without a vendor', ['foo@=1']],
    ['no tenant', ['@foo=1']],
    ['two tenants', ['foo@bar@baz=1']],
    ['a vendor that is too long', [`t@${'v'.repeat(15)}=1`]],
    ['a key that is too long', [`${'z'.repeat(257)}=1`]],
    ['33 members', [Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(',')]],
    ['a control character', ['foo=\u0007x']],
  ])('%s: dropped whole, and the trace goes on', (_, values) =>
    expect(parseTrace([PARENT], values)).toMatchObject({ traceId: TRACE, state: undefined }),
  )

  it('32 members are not too many, and long ones go first where the whole is too long', () => {
    const short = Array.from({ length: 31 }, (_, at) => `k${at}=1`)
    expect(state([...short, 'last=1'].join(','))).toBe([...short, 'last=1'].join(','))
    expect(state(`big=${'x'.repeat(200)},a=1,big2=${'y'.repeat(200)},b=2,big3=${'z'.repeat(200)}`)).toBe('a=1,b=2')
    const many = Array.from({ length: 10 }, (_, at) => `k${at}=${'x'.repeat(100)}`)
    expect(state(many.join(','))).toBe(many.slice(0, 4).join(','))
  })
})

describe('what is sent', () => {
  it('a child is of the same trace, another span, version 00, and only the flag that is known', () => {
    const trace = parseTrace([`cc-${TRACE}-${SPAN}-ff-more`], []) ?? newTrace(Math.random)
    const random = seededRandom(1)
    const [first, second] = [childTraceparent(trace, random), childTraceparent(trace, random)]
    expect(first).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`))
    expect(first).not.toContain(SPAN)
    expect(second).not.toBe(first)
  })

  it('a trace that begins here is none of zeros, and nobody records it', () => {
    const trace = newTrace(() => 0)
    expect(parseTrace([childTraceparent(trace, () => 0)], [])).toEqual({
      traceId: `${'0'.repeat(31)}1`,
      parentId: `${'0'.repeat(15)}1`,
      sampled: false,
      state: undefined,
    })
  })
})

describe('baggage', () => {
  it.each([
    ['a member', ['user=42'], 'user=42'],
    ['several headers', ['a=1', 'b=2,c=3'], 'a=1,b=2,c=3'],
    ['properties, and space', ['a=1 ; p ; q = x , b = 2'], 'a=1 ; p ; q = x,b = 2'],
    ['an empty value', ['a='], 'a='],
    ['what is escaped', ['a=%20%C3%A9'], 'a=%20%C3%A9'],
    ['what is no member, beside one', ['a=1,nonsense,b="x",=2,ü=1,c=3'], 'a=1,c=3'],
    ['nothing', [], undefined],
    ['nothing that is one', ['nonsense, '], undefined],
  ])('%s', (_, values, expected) => expect(boundedBaggage(values)).toBe(expected))

  it('has at most 64 members and 8,192 bytes', () => {
    const many = Array.from({ length: 100 }, (_, at) => `k${at}=1`)
    expect(boundedBaggage([many.join(',')])?.split(',')).toEqual(many.slice(0, 64))
    const long = Array.from({ length: 20 }, (_, at) => `k${at}=${'x'.repeat(1_000)}`)
    expect(boundedBaggage(long)?.length).toBeLessThanOrEqual(8_192)
    expect(boundedBaggage([`a=${'x'.repeat(9_000)}`, 'b=1'])).toBe('b=1')
  })
})
