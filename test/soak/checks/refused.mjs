import { createMesh } from 'inmesh'
import { failures, get, openLoop } from '../load.mjs'
import { services } from '../service.mjs'

/** Only one endpoint listens; nobody who calls notices. */
export async function run({ short }) {
  const rows = []
  for (const [refusing, total] of [
    [1, 2],
    [2, 3],
    [9, 10],
  ]) {
    const all = await services(total)
    // Each had its port, so that it is really free and really refuses now.
    await Promise.all(all.slice(0, refusing).map((service) => service.kill()))
    const mesh = createMesh({ services: { orders: { endpoints: all.map(({ address }) => address) } } })
    const { calls } = await openLoop({ perSecond: 300, seconds: short ? 4 : 60, call: (index) => get(mesh, index) })
    const { count, kinds } = failures(calls)
    await mesh.close()
    await all.at(-1).kill()
    rows.push({
      what: `errors in ${calls.length} calls, ${refusing} of ${total} refusing`,
      asked: 0,
      seen: count === 0 ? 0 : `${count}: ${kinds}`,
      ok: count === 0,
    })
  }
  return rows
}
