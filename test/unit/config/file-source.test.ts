import { execFileSync } from 'node:child_process'
import { chmodSync, symlinkSync, truncateSync } from 'node:fs'
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { isConfigName, listFiles, namedPath } from '../../../src/config/file/list-files.ts'
import { fileProblemText } from '../../../src/config/file/problem.ts'
import { parseContents, readContents } from '../../../src/config/file/read-configuration.ts'
import { AddressPolicy } from '../../../src/core/address.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { Quiet } from '../../../src/core/watch/quiet.ts'
import { watchPoints } from '../../../src/core/watch/watch-points.ts'
import { fileSource, isMeshError, type SourceContext } from '../../../src/index.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { TempDir } from '../../support/temp-dir.ts'

const directories: TempDir[] = []
function tempDir(): TempDir {
  const directory = new TempDir()
  directories.push(directory)
  return directory
}
afterEach(() => {
  for (const directory of directories.splice(0)) directory.remove()
})

describe('the options of fileSource', () => {
  const problemsOf = (options: unknown): readonly string[] => {
    try {
      fileSource(options as string)
      return []
    } catch (error) {
      expect(isMeshError(error) && error.code).toBe('MESH_CONFIG')
      return (error as { cause: { problems: string[] } }).cause.problems
    }
  }

  it.each<[unknown, string[]]>([
    ['mesh.yaml', []],
    [['a.yaml', new URL('file:///etc/mesh')], []],
    [{ path: 'mesh.yaml', name: 'mesh', namespace: 'shop', allowAddresses: ['169.254.1.0/24'], pollInterval: '1s' }, []],
    ['', ['fileSource options: path: expected a path or a file: URL, got ""']],
    ['a\0b', ['fileSource options: path: expected a path or a file: URL, got "a\\u0000b"']],
    [42, ['fileSource options: path: expected a path or a file: URL, got 42']],
    [undefined, ['fileSource options: path: expected a path or a file: URL, got undefined']],
    [new URL('http://example.com/mesh.yaml'), ['fileSource options: path: expected a path or a file: URL, got an instance of a class']],
    [[], ['fileSource options: path: expected at least one path']],
    [['a.yaml', 1], ['fileSource options: path[1]: expected a path or a file: URL, got 1']],
    [
      { path: 'a.yaml', name: '', namespace: 'a b', allowAddresses: ['here'], pollInterval: 5, interval: 1 },
      [
        'fileSource options: interval: unknown key',
        'fileSource options: name: expected text of 1 to 253 characters without control characters, got ""',
        'fileSource options: namespace: expected a namespace: letters, digits and dashes, at most 63, got "a b"',
        'fileSource options: allowAddresses[0]: expected an address or a range such as 169.254.1.0/24, got "here"',
        "fileSource options: pollInterval: expected a duration of at least 100ms such as 500, '500ms' or '5s', at most 24 days, got 5",
      ],
    ],
  ])('%j', (options, problems) => expect(problemsOf(options)).toEqual(problems))

  it('each file gives a name of its own, so that two of them go into one mesh', () => {
    expect([fileSource('a.yaml').name, fileSource(['b.yaml', 'c.yaml']).name, fileSource({ path: 'a', name: 'x' }).name]).toEqual([
      'file:a.yaml',
      'file:b.yaml',
      'x',
    ])
  })
})

describe('which files are read', () => {
  const labels = async (...paths: string[]): Promise<string[]> => (await listFiles(paths.map(namedPath))).files.map(({ label }) => label)

  it('those of a directory in the order of their names; nothing hidden, nothing else', async () => {
    const directory = tempDir()
    for (const name of ['b.yaml', 'a.yml', 'C.JSON', '.hidden.yaml', '..data.yaml', 'README.md', 'a.yaml~', 'sub/d.yaml'])
      directory.write(name, '')
    expect(await labels(directory.path)).toEqual(['C.JSON', 'a.yml', 'b.yaml'].map((name) => directory.at(name)))
  })

  it('one that is named twice is read once; one of another name, or that is not there, is read too', async () => {
    const directory = tempDir()
    const [a, b] = [directory.write('a.yaml', ''), directory.write('mesh.conf', '')]
    expect(await labels(a, directory.path, b, 'nowhere.yaml')).toEqual([a, b, 'nowhere.yaml'])
  })
})

describe('what cannot be read', () => {
  async function problemsOf(...paths: string[]): Promise<string[]> {
    const judgement = { policy: new AddressPolicy([]), namespace: 'default' }
    const { problems } = await parseContents(await readContents(paths.map(namedPath)), judgement, systemClock)
    return problems.map((problem) => `${problem.kind} ${fileProblemText(problem)}`)
  }

  it('a missing file, a directory in its place, a circle of links', async () => {
    const directory = tempDir()
    directory.write('dir.yaml/x.txt', '')
    symlinkSync('loop.yaml', directory.at('loop.yaml'))
    symlinkSync('gone.yaml', directory.at('dangling.yaml'))
    const file = directory.write('file', 'services: {}')
    expect(await problemsOf(directory.path, directory.at('none.yaml'), `${file}/below.yaml`)).toEqual([
      `unreadable ${directory.at('dangling.yaml')}: there is no such file (ENOENT)`,
      `unreadable ${directory.at('dir.yaml')}: expected a file, found a directory`,
      `unreadable ${directory.at('loop.yaml')}: its symbolic links lead in a circle (ELOOP)`,
      `unreadable ${directory.at('none.yaml')}: there is no such file (ENOENT)`,
      `unreadable ${file}/below.yaml: there is no such file: a part of its path is no directory (ENOTDIR)`,
    ])
  })

  it('a pipe that nobody writes, a socket, a device', async () => {
    const directory = tempDir()
    execFileSync('mkfifo', [directory.at('fifo.yaml')])
    const server = createServer().listen(directory.at('socket.yaml'))
    await new Promise((resolve) => server.once('listening', resolve))
    expect(await problemsOf(directory.path, '/dev/zero')).toEqual([
      `unreadable ${directory.at('fifo.yaml')}: expected a file, found a named pipe`,
      `unreadable ${directory.at('socket.yaml')}: expected a file, found a socket`,
      'unreadable /dev/zero: expected a file, found a device',
    ])
    server.close()
  })

  it('100 MB are not read', async () => {
    const directory = tempDir()
    const path = directory.write('mesh.yaml', '')
    truncateSync(path, 100 * 1024 ** 2)
    const start = performance.now()
    expect(await problemsOf(path)).toEqual([`unreadable ${path}: is too large: at most 16 MiB are read, it has 100 MiB`])
    expect(performance.now() - start).toBeLessThan(500)
  })

  it.skipIf(process.getuid === undefined)('missing rights', async () => {
    const directory = tempDir()
    const path = directory.write('mesh.yaml', 'services: {}')
    chmodSync(directory.path, 0o755)
    chmodSync(path, 0o000)
    const isRoot = process.getuid?.() === 0
    // Root may read everything: be somebody else for a moment.
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect(await problemsOf(path)).toEqual([`unreadable ${path}: this process has no right to read it (EACCES)`])
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('a directory without configuration is empty, not unreadable', async () => {
    const directory = tempDir()
    expect(await problemsOf(directory.path)).toEqual([
      `empty ${directory.path}:1:1: there is no *.yaml, *.yml or *.json in this directory; only an explicit "services: {}" leaves no service`,
    ])
  })

  it.runIf(process.platform === 'linux')('what says that it is empty and is not', async () => {
    expect(await problemsOf('/proc/self/status')).toContain('invalid /proc/self/status:1:1: Name: unknown key')
  })
})

describe('the version', () => {
  it('is the same for the same names and content, and another for another', async () => {
    const directory = tempDir()
    const version = async (): Promise<string> => (await readContents([namedPath(directory.path)])).version
    directory.write('a.yaml', 'services: {}')
    const first = await version()
    directory.write('a.yaml', 'services: {}')
    expect(await version()).toBe(first)
    directory.write('b.yaml', '')
    expect(await version()).not.toBe(first)
  })
})

describe('where changes are watched', () => {
  async function points(...paths: string[]): Promise<Map<string, (name: string) => boolean>> {
    return new Map((await watchPoints(paths, isConfigName)).map((point) => [point.path, (name) => point.concerns(name)]))
  }

  it('a file: itself, and its name in its directory', async () => {
    const directory = tempDir()
    const path = directory.write('mesh.yaml', '')
    const found = await points(path)
    expect([...found.keys()].sort()).toEqual([directory.path, path])
    expect(['mesh.yaml', 'other.yaml', 'log'].map((name) => found.get(directory.path)?.(name))).toEqual([true, false, false])
  })

  it('a Kubernetes volume: the link that is swapped, and where it leads', async () => {
    const directory = tempDir()
    directory.mountVolume({ 'mesh.yaml': '' })
    const version = directory.at('..2026_01_01_0')
    for (const found of [await points(directory.at('mesh.yaml')), await points(directory.path)]) {
      expect([...found.keys()]).toEqual(expect.arrayContaining([directory.path, version]))
      expect(found.get(directory.path)?.('..data')).toBe(true)
      expect(found.get(version)?.('mesh.yaml')).toBe(true)
    }
  })

  it('a directory above that is a link', async () => {
    const directory = tempDir()
    directory.write('releases/1/mesh.yaml', '')
    symlinkSync('releases/1', directory.at('current'))
    const found = await points(directory.at('current/mesh.yaml'))
    expect(found.get(directory.path)?.('current')).toBe(true)
    expect(found.get(directory.at('releases/1'))?.('mesh.yaml')).toBe(true)
  })

  it('what is missing is waited for in the nearest directory that is there', async () => {
    const directory = tempDir()
    const found = await points(directory.at('a/b/mesh.yaml'))
    expect([...found.keys()]).toEqual([directory.path])
    expect(found.get(directory.path)?.('a')).toBe(true)
  })

  it('a circle of links ends', async () => {
    const directory = tempDir()
    symlinkSync('b', directory.at('a'))
    symlinkSync('a', directory.at('b'))
    expect([...(await points(directory.at('a'))).keys()]).toEqual([directory.path])
  })

  it('a file: URL leads there too', () => expect(fileSource(pathToFileURL('/etc/mesh.yaml')).name).toBe('file:/etc/mesh.yaml'))
})

describe('a burst of signals', () => {
  it.each<[string, number[], number[]]>([
    ['one', [0], [20]],
    ['a burst is one', [0, 5, 10, 15], [35]],
    ['two', [0, 50], [20, 70]],
    ['one that never ends is cut', Array.from({ length: 30 }, (_, at) => at * 10), [100, 200, 300]],
  ])('%s', (_, signals, expected) => {
    const clock = new VirtualClock()
    const fired: number[] = []
    const quiet = new Quiet(clock, () => fired.push(clock.now()), { quietMs: 20, atMostMs: 100 })
    for (const at of signals) {
      clock.advance(at - clock.now())
      quiet.signal()
    }
    clock.advance(200)
    expect(fired).toEqual(expected)
    quiet.signal()
    quiet.cancel()
    expect(clock.timers).toBe(0)
  })
})

describe('one watch, on a clock that is turned by hand', () => {
  function watchFile(path: string) {
    const clock = new VirtualClock()
    const told: string[] = []
    const stop = fileSource({ path, pollInterval: '10s' }).watch({
      namespace: 'default',
      context: { clock } as unknown as SourceContext,
      update: ({ upserts }) => {
        told.push(`update ${upserts.map(({ name }) => name)}`)
        return []
      },
      failed: (error) => told.push(`failed ${(error as Error).message.replace(/^.*\//, '')}`),
      rejected: (rejections) => told.push(`rejected ${rejections.length}`),
    })
    /** Until what was begun has ended: only then is there a timer for the next look. */
    const settled = async (): Promise<void> => {
      do await new Promise((resolve) => setTimeout(resolve, 5))
      while (clock.timers === 0)
    }
    return { clock, told, stop, settled }
  }

  it('what is wrong is told when it still is after 100 ms, and once', async () => {
    const directory = tempDir()
    const { clock, told, stop, settled } = watchFile(directory.write('mesh.yaml', 'services: 1'))
    await settled()
    clock.advance(99)
    await settled()
    expect(told).toEqual([])
    clock.advance(1)
    await settled()
    const expected = ['rejected 1', 'failed mesh.yaml:1:1: services: expected an object, got 1']
    expect(told).toEqual(expected)
    for (let round = 0; round < 3; round++) {
      clock.advance(10_000)
      await settled()
    }
    expect(told).toEqual(expected)
    await stop()
    expect(clock.timers).toBe(0)
  })

  it('what was wrong for less than that is not told at all', async () => {
    const directory = tempDir()
    const { clock, told, stop, settled } = watchFile(directory.at('mesh.yaml'))
    await settled()
    directory.write('mesh.yaml', 'services:\n  orders: {}\n')
    clock.advance(100)
    // The platform may tell of the change while the second look is under way, which asks for a third.
    for (let round = 0; round < 3; round++) {
      await settled()
      clock.advance(20)
    }
    await settled()
    expect(told).toEqual(['update orders'])
    await stop()
    directory.write('mesh.yaml', 'services:\n  users: {}\n')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([told.length, clock.timers]).toEqual([1, 0])
  })
})
