import { createHash } from 'node:crypto'
import process from 'node:process'
import { Readable } from 'node:stream'
import { createMesh } from 'inmesh'
import { pause } from '../load.mjs'
import { services } from '../service.mjs'

const BYTES = 13_000_000
const PIECE = 64 * 1024
const PARALLEL = 8
const MIB = 1024 * 1024
const TOTAL = PARALLEL * BYTES
/** Half of what is under way at once: what was read is garbage for a while. One door of the two that keeps bodies exceeds it. */
const MOST_RSS = TOTAL / 2
/** A quarter may be alive in buffers at any moment: streams and sockets keep some pieces of each transfer. */
const MOST_HELD = TOTAL / 4

/** Bytes alive in buffers: the least of five looks, since the collector sweeps buffers beside the program. */
async function alive() {
  let least = Number.POSITIVE_INFINITY
  for (let look = 0; look < 5; look++) {
    globalThis.gc()
    await pause(1)
    least = Math.min(least, process.memoryUsage().arrayBuffers)
  }
  return least
}

/** Watches memory while `work` runs: how far RSS rose, and the most that was alive in buffers. */
async function watch(work) {
  const before = { rss: process.memoryUsage().rss, alive: await alive() }
  const grown = { rss: 0, held: 0 }
  let over = false
  const watching = (async () => {
    while (!over) {
      grown.rss = Math.max(grown.rss, process.memoryUsage().rss - before.rss)
      grown.held = Math.max(grown.held, (await alive()) - before.alive)
      await pause(40)
    }
  })()
  const done = await Promise.all(Array.from({ length: PARALLEL }, (_, index) => work(index, BYTES)))
  over = true
  await watching
  return { ...grown, whole: done.every(Boolean) }
}

/** Reads a piece, rests, reads the next: slower than the service sends. */
async function readSlowly(stream) {
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    await pause(2)
  }
  return bytes
}

function* pieces(bytes, hash) {
  for (let left = bytes; left > 0; left -= PIECE) {
    const piece = Buffer.alloc(Math.min(left, PIECE), left % 251)
    hash.update(piece)
    yield piece
  }
}

/** A web stream that makes a piece when somebody asks for it. */
function webStream(source) {
  return new ReadableStream({
    pull(controller) {
      const { value, done } = source.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
  })
}

// Unless it must not be redirected and has no window, the platform's fetch tees the body of its request, and the branch that
// nobody reads keeps all of it; without a mesh too.
const UPLOAD = { method: 'POST', duplex: 'half', redirect: 'error', window: null }

/** 13 MB down with a slow reader and 13 MB up to one, eight at a time, by turns through fetch and the dispatcher. */
export async function run() {
  const [service] = await services(1)
  const mesh = createMesh({ services: { orders: { endpoints: [service.address] } } })
  const down = async (index, bytes) => {
    const url = `http://orders/download?bytes=${bytes}`
    return (await readSlowly(index % 2 === 0 ? (await mesh.fetch(url)).body : (await mesh.request(url)).body)) === bytes
  }
  const up = async (index, bytes) => {
    const hash = createHash('sha256')
    const source = pieces(bytes, hash)
    const url = 'http://orders/upload'
    const answer =
      index % 2 === 0
        ? await (await mesh.fetch(url, { ...UPLOAD, body: webStream(source) })).json()
        : await (await mesh.request(url, { method: 'POST', body: Readable.from(source, { objectMode: false }) })).body.json()
    return answer.bytes === bytes && answer.hash === hash.digest('hex')
  }
  // Small ones first: their code and connections come to stay.
  for (const work of [down, up]) await Promise.all(Array.from({ length: 4 * PARALLEL }, (_, index) => work(index, PIECE)))
  const rows = []
  for (const [what, work] of [
    ['downloads, slow reader', down],
    ['uploads, slow service', up],
  ]) {
    const { rss, held, whole } = await watch(work)
    const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`
    rows.push(
      { what: `${PARALLEL} × 13 MB ${what}: growth of RSS`, asked: `<= ${mib(MOST_RSS)}`, seen: mib(rss), ok: rss <= MOST_RSS },
      { what: `${PARALLEL} × 13 MB ${what}: held in buffers`, asked: `<= ${mib(MOST_HELD)}`, seen: mib(held), ok: held <= MOST_HELD },
      { what: `${PARALLEL} × 13 MB ${what}: arrived whole`, asked: 'yes', seen: whole ? 'yes' : 'no', ok: whole },
    )
  }
  await mesh.close()
  await service.kill()
  return rows
}
