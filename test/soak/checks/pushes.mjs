import { createMesh, staticSource } from 'inmesh'
import { LoopHolds } from '../hold.mjs'
import { median, pause } from '../load.mjs'

const COUNT = 10_000

/** What a push may hold, as a server sends it: parsed from text, so that nothing in it is an object that was there before. */
const DOCUMENTS = {
  authorization: (salt, changed) => ({
    name: 'policy',
    rules: [
      {
        from: [{ source: { principals: [`cluster.local/ns/shop/sa/client-${salt}`] } }],
        to: [{ operation: { methods: [changed ? 'POST' : 'GET'], paths: [`/v1/items-${salt}/*`] } }],
      },
    ],
  }),
  routes: (salt, changed) => ({
    hosts: [`host-${salt}.example.com`],
    rules: [{ match: [{ path: { prefix: changed ? '/b' : '/a' } }], backends: [{ service: 'orders' }], timeout: '2s' }],
  }),
  services: (salt, changed) => ({
    hosts: [`service-${salt}.example.com`],
    endpoints: ['10.0.0.1:8080', { address: '10.0.0.2:8080', weight: 2 }],
    timeout: changed ? '3s' : '2s',
  }),
}

function documentOf(kind, salt, changed) {
  const parts = Array.from({ length: COUNT }, (_, index) => DOCUMENTS[kind](`${index}-${salt}`, index === changed))
  if (kind !== 'services') for (const [index, part] of parts.entries()) part.name = `${kind}-${index}`
  const content = kind === 'services' ? Object.fromEntries(parts.map((part, index) => [`service-${index}-${salt}`, part])) : parts
  return JSON.parse(JSON.stringify({ [kind]: content }))
}

/** Milliseconds that the loop is held at a time by a push, and by one that changes a single part of it. */
async function held(kind, rounds) {
  const source = staticSource(documentOf(kind, 'first', -1))
  const mesh = createMesh({ sources: [source] })
  await mesh.ready()
  const one = []
  const all = []
  const push = async (document) => {
    globalThis.gc()
    await pause(20)
    const turns = new LoopHolds()
    const rejections = await turns.watch(50, () => source.update(document))
    if (rejections.length > 0) throw new Error(JSON.stringify(rejections))
    return turns.longest
  }
  for (let round = 0; round < rounds; round++) {
    all.push(await push(documentOf(kind, `round-${round % 2}`, -1)))
    one.push(await push(documentOf(kind, `round-${round % 2}`, round)))
  }
  await mesh.close()
  return { one: median(one), all: median(all) }
}

export async function run({ short }) {
  const rows = []
  for (const kind of Object.keys(DOCUMENTS)) {
    const { one, all } = await held(kind, short ? 5 : 15)
    rows.push({
      what: `${kind}: loop held by a push that changes 1 of 10,000`,
      asked: '<= 100 ms',
      seen: `${one.toFixed(1)} ms`,
      ok: one <= 100,
    })
    rows.push({ what: `${kind}: by one that changes all of them`, asked: 'a report', seen: `${all.toFixed(0)} ms`, ok: true })
  }
  return rows
}
