import { describe, expect, it } from 'vitest'
import { parseCommand, UsageError } from '../../../src/cli/arguments.ts'
import { terminalOutput } from '../../../src/cli/terminal.ts'

const common = { files: ['a.yaml'], namespace: 'default', allowAddresses: [] }
const words = (line: string): string[] => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => (quoted ?? bare) as string)

describe('the command line', () => {
  it.each<[string, object]>([
    ['check a.yaml', { name: 'check', ...common }],
    [
      'check a.yaml b --namespace shop --allow-address 169.254.0.0/16 --allow-address 10.0.0.1',
      {
        name: 'check',
        files: ['a.yaml', 'b'],
        namespace: 'shop',
        allowAddresses: ['169.254.0.0/16', '10.0.0.1'],
      },
    ],
    [
      'explain a.yaml -- http://orders/',
      { name: 'explain', ...common, json: false, request: { method: 'GET', url: 'http://orders/', headers: {} } },
    ],
    [
      `explain --json a.yaml -- POST http://orders/v1 -H 'x-canary: 1' --header 'X-B:a:b'`,
      {
        name: 'explain',
        ...common,
        json: true,
        request: { method: 'POST', url: 'http://orders/v1', headers: { 'x-canary': '1', 'x-b': 'a:b' } },
      },
    ],
    ['--help', { name: 'help' }],
    ['-h', { name: 'help' }],
    ['check --help', { name: 'help' }],
    ['--version', { name: 'version' }],
  ])('%s', (line, command) => expect(parseCommand(words(line))).toEqual(command))

  it.each<[string, string]>([
    ['', 'a command is missing'],
    ['chek a.yaml', 'unknown command "chek"'],
    ['check', 'check: at least one file or directory is missing'],
    ['check a.yaml --colour', "Unknown option '--colour'"],
    ['check --namespace', "Option '--namespace <value>' argument missing"],
    ['check a.yaml --json', 'check has no --json'],
    ['check a.yaml -- http://orders/', 'check asks about no request: nothing may follow --'],
    ['explain a.yaml', 'explain: the request is missing; it follows --'],
    ['explain a.yaml --', 'explain: the URL is missing'],
    ['explain -- http://orders/', 'explain: at least one file or directory is missing'],
    ['explain a.yaml -- GET http://orders/ now', 'explain: what is "now" after the URL?'],
    ['explain a.yaml -- GET/ http://orders/', 'explain: "GET/" is no method'],
    ['explain a.yaml -- http://orders/ -H x', `explain: expected a header such as 'x-canary: 1', got "x"`],
    ['explain a.yaml -- http://orders/ -X POST', "Unknown option '-X'"],
  ])('%s is refused', (line, message) => {
    expect(() => parseCommand(words(line))).toThrow(UsageError)
    expect(() => parseCommand(words(line))).toThrow(message)
  })
})

describe('colours', () => {
  it.each<[boolean | undefined, Record<string, string>, boolean]>([
    [true, {}, true],
    [true, { TERM: 'xterm' }, true],
    [true, { NO_COLOR: '' }, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { TERM: 'dumb' }, false],
    [undefined, {}, false],
    [false, { FORCE: '1' }, false],
  ])('a terminal: %s, %j', (isTTY, environment, coloured) => {
    const stream = { write: () => {}, ...(isTTY === undefined ? {} : { isTTY }) }
    expect(terminalOutput(stream, environment).paint('red', 'no')).toBe(coloured ? '\u001b[31mno\u001b[39m' : 'no')
  })
})
