import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createMesh, type FileSourceOptions, fileSource, type Mesh, type MeshOptions, type Rejection } from '../../src/index.ts'
import { FaultServer } from '../support/fault-server.ts'
import { TempDir } from '../support/temp-dir.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function server(body: string): Promise<FaultServer> {
  const started = await FaultServer.start(({ answer }) => answer(200, body))
  cleanups.push(() => started.close())
  return started
}

const document = (...addresses: string[]): string => `services:\n  orders:\n    endpoints: ['${addresses.join("', '")}']\n`

interface Watched {
  mesh: Mesh
  /** Everything that was told of the source, in order. */
  events: string[]
  rejections: Rejection[]
  call(): Promise<string>
}

function watched(path: string, options: Omit<FileSourceOptions, 'path'> = {}, meshOptions: MeshOptions = {}): Watched {
  const mesh = createMesh({ ...meshOptions, sources: [fileSource({ path, name: 'file', ...options })] })
  cleanups.push(() => mesh.close())
  const events: string[] = []
  const rejections: Rejection[] = []
  mesh.on('configChanged', ({ services }) => events.push(`changed ${services}`))
  mesh.on('sourceFailed', ({ error }) => events.push(`failed ${(error as Error).message.replace(/^.*\//, '')}`))
  mesh.on('sourceRecovered', () => events.push('recovered'))
  mesh.on('configRejected', (event) => {
    events.push('rejected')
    rejections.push(...event.rejections)
  })
  return { mesh, events, rejections, call: () => mesh.fetch('http://orders/').then((response) => response.text()) }
}

/** Waits until `check` holds; how long that took. */
async function until(check: () => boolean | Promise<boolean>, withinMs = 5_000): Promise<number> {
  const start = performance.now()
  while (!(await check())) {
    if (performance.now() - start > withinMs) throw new Error('waited in vain')
    await pause(1)
  }
  return performance.now() - start
}

/** Two servers, a directory, and a mesh that was told of the first. */
async function prepare(options: Omit<FileSourceOptions, 'path'> = {}) {
  const [a, b] = [await server('a'), await server('b')]
  const directory = new TempDir()
  cleanups.push(() => directory.remove())
  const path = directory.write('mesh.yaml', document(a.address))
  const it = watched(path, options)
  await it.mesh.ready()
  expect(await it.call()).toBe('a')
  it.events.length = 0
  return { ...it, a, b, directory, path }
}

describe('a change is used within 100 ms, and is one update', () => {
  type Change = (directory: TempDir, next: string) => void
  const ways: [string, Change, Change][] = [
    [
      'an atomic rename',
      (directory, first) => directory.write('mesh.yaml', first),
      (directory, next) => directory.replace('mesh.yaml', next),
    ],
    [
      'a write in place',
      (directory, first) => directory.write('mesh.yaml', first),
      (directory, next) => directory.write('mesh.yaml', next),
    ],
    [
      'the swap of a Kubernetes volume',
      (directory, first) => directory.mountVolume({ 'mesh.yaml': first }),
      (directory, next) => directory.swapVolume({ 'mesh.yaml': next }),
    ],
    [
      'a link above it that leads elsewhere',
      (directory, first) => {
        directory.write('1/mesh.yaml', first)
        symlinkSync('1/mesh.yaml', directory.at('mesh.yaml'))
      },
      (directory, next) => {
        const version = String(performance.now())
        directory.write(`${version}/mesh.yaml`, next)
        symlinkSync(`${version}/mesh.yaml`, directory.at('link'))
        renameSync(directory.at('link'), directory.at('mesh.yaml'))
      },
    ],
    [
      'many small writes',
      (directory, first) => directory.write('mesh.yaml', first),
      (directory, next) => {
        directory.write('mesh.yaml', '')
        for (const character of next) appendFileSync(directory.at('mesh.yaml'), character)
      },
    ],
    [
      'taken away and written anew, as some editors do',
      (directory, first) => directory.write('mesh.yaml', first),
      (directory, next) => {
        renameSync(directory.at('mesh.yaml'), directory.at('mesh.yaml~'))
        directory.write('mesh.yaml', next)
      },
    ],
  ]

  it.each(
    ways.flatMap(([name, begin, change]) => [false, true].map((whole) => [name, whole ? 'directory' : 'file', begin, change] as const)),
  )('%s, of a %s', async (name, what, begin, change) => {
    const servers = { a: await server('a'), b: await server('b') }
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    begin(directory, document(servers.a.address))
    const { mesh, events, call } = watched(what === 'file' ? directory.at('mesh.yaml') : directory.path)
    await mesh.ready()
    expect(await call()).toBe('a')
    const took: number[] = []
    // Busy cores make a single measurement say nothing: the best of ten counts.
    for (let round = 1; round <= 10 && !took.some((ms) => ms <= 100); round++) {
      const next = round % 2 === 0 ? 'a' : 'b'
      events.length = 0
      change(directory, document(servers[next].address))
      took.push(await until(async () => (await call()) === next))
      await pause(60)
      expect(events).toEqual(['changed default/orders'])
    }
    console.log(`${name}, ${what}: used after ${took.map((ms) => ms.toFixed(0))} ms`)
    expect(Math.min(...took)).toBeLessThanOrEqual(100)
  })

  it('no call is lost while the file changes a hundred times', async () => {
    const { mesh, directory, a, b } = await prepare()
    let running = true
    const answers = new Set<string>()
    const callers = Array.from({ length: 4 }, async () => {
      while (running) answers.add(await mesh.fetch('http://orders/').then((response) => response.text()))
    })
    for (let round = 0; round < 100; round++) {
      directory.replace('mesh.yaml', document(round % 2 === 0 ? b.address : a.address))
      await pause(5)
    }
    running = false
    await Promise.all(callers)
    expect([...answers].every((each) => each === 'a' || each === 'b')).toBe(true)
  })
})

describe('what is broken is an event, and what was in force stays', () => {
  it('a bad value: all problems with file, line, column and path', async () => {
    const { directory, path, events, rejections, call, b } = await prepare()
    directory.write('mesh.yaml', `services:\n  orders:\n    retry:\n      attempts: -1\n    timeuot: 1s\n`)
    await until(() => rejections.length > 0)
    expect(rejections).toEqual([
      {
        kind: 'document',
        namespace: 'default',
        name: path,
        reason: 'invalid',
        problems: [
          `${path}:4:7: services.orders.retry.attempts: expected an integer from 0 to 10, got -1`,
          `${path}:5:5: services.orders.timeuot: unknown key, did you mean "timeout"?`,
        ],
      },
    ])
    expect(await call()).toBe('a')
    directory.write('mesh.yaml', document(b.address))
    await until(async () => (await call()) === 'b')
    expect(events).toEqual(['rejected', 'changed default/orders'])
  })

  it('a document is taken whole or not at all: a good service beside a bad one does not change', async () => {
    const { directory, rejections, call, b } = await prepare()
    directory.write('mesh.yaml', `${document(b.address)}  users:\n    timeout: soon\n`)
    await until(() => rejections.length > 0)
    expect(await call()).toBe('a')
  })

  it.each<[string, string | Uint8Array, RegExp]>([
    ['half of a file', 'services:\n  orders: {', /:2:\d+: Flow map/],
    ['bytes that are no text', Buffer.from([0x73, 0xff, 0xfe]), /:1:2: expected UTF-8/],
    ['a NUL byte', 'services: {}\0', /NUL byte/],
    ['nesting without end', `services:\n  ${'['.repeat(100_000)}`, /200 levels/],
  ])('%s', async (_, content, problem) => {
    const { directory, rejections, call, mesh } = await prepare()
    directory.write('mesh.yaml', content)
    await until(() => rejections.length > 0)
    expect(rejections[0]?.problems[0]).toMatch(problem)
    expect(await call()).toBe('a')
    expect(mesh.stats().sources['file']?.state).toBe('ready')
  })

  it('nothing at all is told apart, and only an explicit nothing empties', async () => {
    const { directory, events, rejections, mesh, call } = await prepare()
    directory.write('mesh.yaml', '')
    await until(() => rejections.length > 0)
    expect(rejections[0]).toMatchObject({ reason: 'empty' })
    expect(await call()).toBe('a')
    directory.write('mesh.yaml', 'services: {}\n')
    await until(() => events.includes('changed default/orders'))
    expect(mesh.snapshot().services).toEqual({})
  })

  it('it vanishes and comes back', async () => {
    const { directory, events, call, a, b } = await prepare()
    rmSync(directory.at('mesh.yaml'))
    await until(() => events.length > 0)
    expect(await call()).toBe('a')
    directory.write('mesh.yaml', document(a.address))
    await until(() => events.length > 1)
    rmSync(directory.at('mesh.yaml'))
    await until(() => events.length > 2)
    directory.write('mesh.yaml', document(b.address))
    await until(async () => (await call()) === 'b')
    const gone = 'failed mesh.yaml: there is no such file (ENOENT)'
    expect(events).toEqual([gone, 'recovered', gone, 'changed default/orders', 'recovered'])
  })

  it('its directory vanishes and comes back', async () => {
    const { directory, events, call, b } = await prepare()
    directory.remove()
    await until(() => events.length > 0)
    expect(await call()).toBe('a')
    mkdirSync(directory.path)
    directory.write('mesh.yaml', document(b.address))
    await until(async () => (await call()) === 'b', 1_000)
  })

  it('its directory is replaced in no time, and still watched', async () => {
    const { directory, call, a, b } = await prepare()
    for (const [name, { address }] of Object.entries({ b, a })) {
      directory.remove()
      mkdirSync(directory.path)
      directory.write('mesh.yaml', document(address))
      await until(async () => (await call()) === name, 1_000)
    }
    directory.write('mesh.yaml', document(b.address))
    await until(async () => (await call()) === 'b', 1_000)
  })

  it('a pipe, a socket, a directory and 100 MB in its place', async () => {
    const { directory, path, events, call, a } = await prepare()
    const back = async (): Promise<void> => {
      rmSync(path, { recursive: true, force: true })
      directory.write('mesh.yaml', document(a.address))
      await until(() => events.at(-1) === 'recovered')
    }
    rmSync(path)
    execFileSync('mkfifo', [path])
    await until(() => events.length === 1)
    await back()
    rmSync(path)
    const socket = createServer().listen(path)
    await until(() => events.length === 3)
    socket.close()
    await back()
    truncateSync(path, 100 * 1024 ** 2)
    await until(() => events.length === 5)
    await back()
    rmSync(path)
    mkdirSync(path)
    // A directory is a path like any other, and there is nothing in it.
    await until(() => events.length === 7)
    expect(events.filter((each) => each !== 'recovered')).toEqual([
      'failed mesh.yaml: expected a file, found a named pipe',
      'failed mesh.yaml: expected a file, found a socket',
      'failed mesh.yaml: is too large: at most 16 MiB are read, it has 100 MiB',
      'rejected',
    ])
    expect(await call()).toBe('a')
  })

  it('what stays broken is told once, however often it is looked at', async () => {
    const { directory, events } = await prepare({ pollInterval: 100 })
    directory.write('mesh.yaml', 'services: 1')
    await until(() => events.length > 0)
    for (let round = 0; round < 3; round++) {
      await pause(100)
      directory.write('mesh.yaml', 'services: 1')
    }
    await pause(300)
    expect(events).toEqual(['rejected'])
  })
})

describe('at the start', () => {
  it('a broken file: ready says why, calls do not wait for it, and it is used as soon as it is right', async () => {
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    const [a, b] = [await server('a'), await server('b')]
    const path = directory.write('mesh.yaml', 'services:\n  orders: { timeout: soon }\n')
    const { mesh, events, call } = watched(path, {}, { services: { other: { endpoints: [b.address] } } })
    expect(await (await mesh.fetch('http://other/')).text()).toBe('b')
    await expect(mesh.ready({ timeout: 50 })).rejects.toThrow(
      /no answer within 50 ms from: file \(.*mesh\.yaml:2:13: services\.orders\.timeout: expected a duration/,
    )
    directory.write('mesh.yaml', document(a.address))
    await mesh.ready()
    expect(await call()).toBe('a')
    expect(events).toEqual(['rejected', expect.stringMatching(/^failed mesh\.yaml:2:13/), 'changed default/orders', 'recovered'])
  })

  it('a missing file in a missing directory is waited for', async () => {
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    const a = await server('a')
    const { mesh, events, call } = watched(directory.at('etc/mesh/mesh.yaml'))
    await expect(mesh.ready({ timeout: 300 })).rejects.toMatchObject({ code: 'MESH_NOT_READY' })
    expect(events).toEqual(['failed mesh.yaml: there is no such file (ENOENT)'])
    directory.write('etc/mesh/mesh.yaml', document(a.address))
    expect(await until(() => events.includes('recovered'))).toBeLessThan(2_000)
    expect(await call()).toBe('a')
  })

  it('createMesh opens nothing', async () => {
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    const before = process.getActiveResourcesInfo().length
    const { mesh } = watched(directory.at('mesh.yaml'))
    expect(process.getActiveResourcesInfo().length).toBe(before)
    await mesh.close()
  })
})

describe('several files', () => {
  it('a directory: files are added and removed, and a service that stands twice is told with both places', async () => {
    const [a, b] = [await server('a'), await server('b')]
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    directory.write('a.yaml', document(a.address))
    const { mesh, events, rejections } = watched(directory.path)
    await mesh.ready()
    directory.write('b.json', JSON.stringify({ services: { users: { endpoints: [b.address] } } }))
    await until(() => events.includes('changed default/users'))
    expect(await (await mesh.fetch('http://users/')).text()).toBe('b')
    directory.write('c.yml', document(b.address))
    await until(() => rejections.length > 0)
    expect(rejections[0]?.problems).toEqual([
      `${directory.at('c.yml')}:2:3: services.orders: this service is there twice, first at ${directory.at('a.yaml')}:2:3`,
    ])
    rmSync(directory.at('c.yml'))
    rmSync(directory.at('b.json'))
    await until(() => events.filter((each) => each === 'changed default/users').length === 2)
    expect(Object.keys(mesh.snapshot().services)).toEqual(['default/orders'])
  })

  it('a Kubernetes volume of several files changes at once', async () => {
    const [a, b] = [await server('a'), await server('b')]
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    const users = (address: string): string => document(address).replace('orders', 'users')
    directory.mountVolume({ 'a.yaml': document(a.address), 'b.yaml': users(a.address) })
    const { mesh, events } = watched(directory.path)
    await mesh.ready()
    events.length = 0
    directory.swapVolume({ 'a.yaml': document(b.address), 'b.yaml': users(b.address) })
    await until(() => events.length > 0)
    await pause(60)
    expect(events).toEqual(['changed default/orders,default/users'])
  })
})

describe('watches are a means to be quick', () => {
  it('a change that no watch tells of is found by the poll', async () => {
    const { directory, a, b } = await prepare()
    const hidden = new TempDir()
    cleanups.push(() => hidden.remove())
    // A hard link: what is written under another name is told of in the other directory, and the file itself is replaced.
    hidden.write('1/2/3/mesh.yaml', document(a.address))
    symlinkSync(hidden.at('1/2'), directory.at('link'))
    const second = watched(directory.at('link/3/mesh.yaml'), { name: 'second', pollInterval: 100 })
    await second.mesh.ready()
    // `1` is no link and not next to anything that is: nobody watches it.
    hidden.write('new/2/3/mesh.yaml', document(b.address))
    renameSync(hidden.at('1'), hidden.at('old'))
    renameSync(hidden.at('new'), hidden.at('1'))
    expect(await until(async () => (await second.call()) === 'b')).toBeLessThan(1_000)
  })

  it('close leaves no handle, and while it runs none holds the process', async () => {
    const { mesh, directory, events } = await prepare()
    const watches = (): number => process.getActiveResourcesInfo().filter((each) => /FSEvent|StatWatcher/i.test(each)).length
    expect(watches()).toBe(0)
    await mesh.close()
    directory.write('mesh.yaml', 'services: {}')
    await pause(100)
    expect(events).toEqual([])
  })

  it('one source serves two meshes', async () => {
    const a = await server('a')
    const directory = new TempDir()
    cleanups.push(() => directory.remove())
    const source = fileSource(directory.write('mesh.yaml', document(a.address)))
    for (const namespace of ['one', 'two']) {
      const mesh = createMesh({ namespace, sources: [source] })
      cleanups.push(() => mesh.close())
      await mesh.ready()
      expect(Object.keys(mesh.snapshot().services)).toEqual([`${namespace}/orders`])
    }
  })
})
