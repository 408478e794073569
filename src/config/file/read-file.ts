import type { Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { builtinModule } from '../../core/builtin-module.ts'
import type { NamedPath } from './list-files.ts'
import { type FileProblem, type Position, wholeFile } from './problem.ts'

/** Larger files are no configuration: parsing one would hold up every call of the process. */
const MAX_FILE_BYTES = 16 * 1024 ** 2

/** The bytes of a regular file, or why there are none. Never waits for a writer, never reads more than the limit. */
export async function readBytes({ label, absolute }: NamedPath): Promise<Buffer | FileProblem> {
  const { open, stat } = builtinModule('node:fs/promises')
  const { O_NONBLOCK = 0, O_RDONLY } = builtinModule('node:fs').constants
  let handle: FileHandle | undefined
  try {
    // Opening a pipe or a device may wait, or do something: look first.
    const refusal = refusalOf(await stat(absolute))
    if (refusal !== undefined) return wholeFile('unreadable', label, refusal)
    // It may have become a pipe since: without O_NONBLOCK that would hold a thread of the pool until somebody writes.
    handle = await open(absolute, O_RDONLY | O_NONBLOCK)
    const stats = await handle.stat()
    const late = refusalOf(stats)
    return late === undefined ? await readAll(handle, stats.size) : wholeFile('unreadable', label, late)
  } catch (error) {
    return wholeFile('unreadable', label, reason(error))
  } finally {
    await handle?.close().catch(() => {})
  }
}

/** The text of `bytes`, or where it stops being one. A byte order mark of UTF-8 is passed over. */
export function decode(bytes: Buffer, label: string): string | FileProblem {
  const wide = UTF16.find(({ mark }) => bytes.subarray(0, 2).equals(mark))
  if (wide !== undefined) return wholeFile('invalid', label, `expected UTF-8, got ${wide.name}`)
  const zero = bytes.indexOf(0)
  if (zero >= 0) return { kind: 'invalid', file: label, ...positionOf(bytes, zero), message: 'a NUL byte: this is no text in UTF-8' }
  if (!builtinModule('node:buffer').isUtf8(bytes))
    return { kind: 'invalid', file: label, ...firstBroken(bytes), message: 'expected UTF-8, got other bytes' }
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

const UTF16 = [
  { name: 'UTF-16 (little endian)', mark: Buffer.from([0xff, 0xfe]) },
  { name: 'UTF-16 (big endian)', mark: Buffer.from([0xfe, 0xff]) },
]

function refusalOf(stats: Stats): string | undefined {
  if (stats.isDirectory()) return 'expected a file, found a directory'
  if (!stats.isFile()) return `expected a file, found ${kindOf(stats)}`
  return stats.size > MAX_FILE_BYTES ? tooLarge(`${Math.ceil(stats.size / 1024 ** 2)} MiB`) : undefined
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a named pipe'
  if (stats.isSocket()) return 'a socket'
  return 'a device'
}

function tooLarge(size: string): string {
  return `is too large: at most ${MAX_FILE_BYTES / 1024 ** 2} MiB are read, it has ${size}`
}

/** Reads to the end: it may grow while it is read, and those of `/proc` say that they are empty. */
async function readAll(handle: FileHandle, size: number): Promise<Buffer> {
  let buffer = Buffer.allocUnsafe(Math.max(size + 1, 4_096))
  let length = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
    if (length > MAX_FILE_BYTES) throw new Error(tooLarge('more'))
    if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(buffer.length * 2, MAX_FILE_BYTES + 1))
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file: a part of its path is no directory',
  EACCES: 'this process has no right to read it',
  EPERM: 'this process has no right to read it',
  ELOOP: 'its symbolic links lead in a circle',
}

function reason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  const known = code === undefined ? undefined : REASONS[code]
  return known === undefined ? `cannot be read: ${message}` : `${known} (${code})`
}

function positionOf(bytes: Buffer, offset: number): Position {
  const lineStart = bytes.lastIndexOf(0x0a, Math.max(0, offset - 1)) + 1
  const before = offset === 0 ? 0 : lineStart
  let line = 1
  for (let at = bytes.indexOf(0x0a); at >= 0 && at < before; at = bytes.indexOf(0x0a, at + 1)) line++
  return { line, column: bytes.toString('utf8', before, offset).length + 1 }
}

/** The first place whose bytes are no UTF-8; a line break is never part of a longer sequence. */
function firstBroken(bytes: Buffer): Position {
  const { isUtf8 } = builtinModule('node:buffer')
  let line = 1
  for (let start = 0; start <= bytes.length; line++) {
    const found = bytes.indexOf(0x0a, start)
    const end = found < 0 ? bytes.length : found
    const part = bytes.subarray(start, end)
    if (!isUtf8(part)) return { line, column: part.toString('utf8').indexOf('\uFFFD') + 1 }
    start = end + 1
  }
  return { line, column: 1 }
}
