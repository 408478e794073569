import { describe, expect, it } from 'vitest'
import type { HeaderMatchOptions, MatchOptions, PathMatch, QueryMatchOptions } from '../../../src/index.ts'
import { type AskedRequest, matches } from '../../support/routing.ts'

describe('paths', () => {
  it.each<[path: PathMatch, yes: string[], no: string[]]>([
    [{ exact: '/api' }, ['/api', '/api?x=1', '/api#part'], ['/api/', '/API', '/apiary', '/', '/x?/api']],
    [{ prefix: '/api' }, ['/api', '/apiary', '/api/x', '/api?x'], ['/ap', '/API', '/x/api', '/?/api']],
    [{ prefix: '/' }, ['/', '/anything'], []],
    // Envoy's own examples of path_separated_prefix.
    [{ pathSeparatedPrefix: '/api/dev' }, ['/api/dev', '/api/dev/', '/api/dev/v1', '/api/dev?param=true'], ['/api/developer', '/api']],
    // Envoy's own examples of safe_regex.
    [{ regex: '/b[io]t' }, ['/bit', '/bot', '/bit?x'], ['/bite', '/bit/bot', '/xbit']],
    [{ regex: '/v[0-9]+/.*' }, ['/v1/', '/v12/x/y'], ['/v/x', '/v1']],
    [{ regex: '(?i)/AbC' }, ['/abc', '/ABC'], ['/abcd']],
    [{ regex: '/a|/b' }, ['/a', '/b'], ['/ab', '/c']],
    [{ regex: '/ab?' }, ['/a', '/ab'], ['/abb']],
    [{ regex: '^/a{2}$' }, ['/aa'], ['/a', '/aaa']],
    // Envoy's own examples of URI templates.
    [{ template: '/videos/*/*/*.m4s' }, ['/videos/123414/hls/1080p5000_00001.m4s'], ['/videos/1/hls/x.mp4', '/videos/1/x.m4s']],
    [{ template: '/videos/{file}' }, ['/videos/1080p5000_00001.m4s'], ['/videos/', '/videos/a/b', '/videos']],
    [{ template: '/**.mpd' }, ['/content/123/india/dash/55/manifest.mpd', '/a.mpd'], ['/a.mpd/x', '/a.mp4']],
    [{ template: '/files/**' }, ['/files/', '/files/a/b/c'], ['/files', '/file/a']],
    [{ template: '/v1/{path=videos/*}/meta' }, ['/v1/videos/7/meta'], ['/v1/films/7/meta', '/v1/videos/7/8/meta']],
    [{ template: '/{all=**}' }, ['/', '/a/b'], []],
    [{ template: '/a.b/{x}' }, ['/a.b/1'], ['/acb/1']],
  ])('%j', (path, yes, no) => {
    expect(yes.filter((each) => !matches({ path }, { path: each }))).toEqual([])
    expect(no.filter((each) => matches({ path }, { path: each }))).toEqual([])
  })

  it.each<[PathMatch, string[], string[]]>([
    [{ exact: '/Api' }, ['/api', '/API'], ['/api/']],
    [{ prefix: '/Api' }, ['/apiary', '/API/x'], ['/ap']],
    [{ pathSeparatedPrefix: '/Api' }, ['/api/x', '/API'], ['/apiary']],
    [{ template: '/Users/{id}' }, ['/users/7', '/USERS/x'], ['/users']],
    // A pattern says itself what case it means.
    [{ regex: '/Api' }, ['/Api'], ['/api']],
  ])('%j, whatever its case', (path, yes, no) => {
    expect(yes.filter((each) => !matches({ path }, { path: each }, false))).toEqual([])
    expect(no.filter((each) => matches({ path }, { path: each }, false))).toEqual([])
  })
})

describe('headers', () => {
  const h = (condition: Omit<HeaderMatchOptions, 'name'>, value: string | undefined): boolean =>
    matches({ headers: [{ name: 'X-Test', ...condition }] }, { headers: value === undefined ? {} : { 'x-test': value } })

  it.each<[Omit<HeaderMatchOptions, 'name'>, yes: (string | undefined)[], no: (string | undefined)[]]>([
    [{ exact: 'a' }, ['a'], ['A', 'ab', '', undefined]],
    [{ exact: '' }, [''], ['a', undefined]],
    [{ exact: 'aB', ignoreCase: true }, ['Ab', 'AB'], ['abc']],
    [{ prefix: 'abc' }, ['abcxyz', 'abc'], ['ab', 'xabc']],
    [{ suffix: 'abc' }, ['xyzabc'], ['abcx']],
    [{ contains: 'abc' }, ['xyzabcpqr'], ['xyzbcpqr']],
    // Envoy's example of invert_match: \d{3} does not match 1234, so it matches when it is turned round.
    [{ regex: '\\d{3}' }, ['123'], ['1234', '456.789']],
    [{ regex: '\\d{3}', invert: true }, ['1234', 'x'], ['123', undefined]],
    // Envoy's examples of range_match: [-10, 0).
    [{ range: { start: -10, end: 0 } }, ['-1', '-10'], ['0', 'somestring', '10.9', '-1somestring', '', undefined]],
    [{ range: { start: -10, end: 0 }, invert: true }, ['0', 'somestring', ''], ['-1', undefined]],
    // Envoy's examples of treat_missing_header_as_empty.
    [{ range: { start: 0, end: 10 }, invert: true, missingAsEmpty: true }, [undefined, '10'], ['0']],
    [{ exact: '', missingAsEmpty: true }, [undefined, ''], ['x']],
    [{ present: true }, ['', 'x'], [undefined]],
    [{ present: false }, [undefined], ['', 'x']],
    [{ present: true, invert: true }, [undefined], ['x']],
    [{ present: false, invert: true }, ['x'], [undefined]],
  ])('%j', (condition, yes, no) => {
    expect(yes.filter((value) => !h(condition, value))).toEqual([])
    expect(no.filter((value) => h(condition, value))).toEqual([])
  })
})

describe('the query', () => {
  it.each<[Omit<QueryMatchOptions, 'name'>, yes: string[], no: string[]]>([
    [{ exact: '1' }, ['?q=1', '?a=b&q=1', '?q=1&q=2', '?q=1#x'], ['', '?q', '?q=2&q=1', '?Q=1', '?xq=1', '#?q=1']],
    [{ exact: 'a b' }, ['?q=a%20b', '?q=a+b'], ['?q=a%2520b']],
    [{ exact: '%zz' }, ['?q=%zz'], ['?q=zz']],
    [{ present: true }, ['?q', '?q=', '?x&q=1', '?%71=1'], ['?x=q', '']],
    [{ present: false }, ['', '?x=1'], ['?q']],
    [{ regex: '\\d+' }, ['?q=42'], ['?q=4x', '?q=']],
    [{ prefix: 'v' }, ['?q=v1'], ['?q=1v']],
    [{ suffix: '1' }, ['?q=v1'], ['?q=1v']],
    [{ contains: '=' }, ['?q=a=b'], ['?q=ab']],
  ])('%j', (condition, yes, no) => {
    const q = (query: string): boolean => matches({ query: [{ name: 'q', ...condition }] }, { path: `/${query}` })
    expect(yes.filter((query) => !q(query))).toEqual([])
    expect(no.filter((query) => q(query))).toEqual([])
  })
})

describe('methods, fractions, and all of them together', () => {
  it.each<[MatchOptions, AskedRequest, boolean]>([
    [{}, {}, true],
    [{ method: 'get' }, { method: 'GET' }, true],
    [{ method: 'GET' }, { method: 'get' }, true],
    [{ methods: ['PUT', 'POST'] }, { method: 'GET' }, false],
    [{ fraction: 10 }, { draw: 0.0999 }, true],
    [{ fraction: 10 }, { draw: 0.1 }, false],
    [{ fraction: 0 }, { draw: 0 }, false],
    [{ fraction: 100 }, { draw: 0.999999 }, true],
    [{ path: { prefix: '/a' }, headers: [{ name: 'x', exact: '1' }], query: [{ name: 'q', exact: '2' }], method: 'GET' }, {}, false],
    [
      { path: { prefix: '/a' }, headers: [{ name: 'x', exact: '1' }], query: [{ name: 'q', exact: '2' }], method: 'GET' },
      { path: '/a?q=2', headers: { x: '1' } },
      true,
    ],
    [
      {
        headers: [
          { name: 'x', exact: '1' },
          { name: 'y', present: true },
        ],
      },
      { headers: { x: '1' } },
      false,
    ],
  ])('%j of %j: %s', (options, request, expected) => expect(matches(options, request)).toBe(expected))
})
