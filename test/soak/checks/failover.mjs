import { createMesh } from 'inmesh'
import { failures, get, openLoop, pause } from '../load.mjs'
import { services } from '../service.mjs'

/** Three services, one fault after the other, faster than ejections end, the defaults on: no GET is lost. */
export async function run() {
  const [killed, broken, hanging] = await services(3)
  const mesh = createMesh({ services: { orders: { endpoints: [killed, broken, hanging].map(({ address }) => address) } } })
  await mesh.ready()
  const loop = openLoop({ perSecond: 500, seconds: 20, call: (index) => get(mesh, index) })
  const faults = (async () => {
    await pause(2_000)
    await killed.kill()
    await pause(2_000)
    await killed.start()
    await pause(2_000)
    await broken.behave('503')
    await pause(5_000)
    await broken.behave('ok')
    await pause(1_000)
    await hanging.behave('hang')
    await pause(5_000)
    await hanging.behave('ok')
  })()
  const [{ calls }] = await Promise.all([loop, faults])
  const { count, kinds } = failures(calls)
  const { retries, movedOn } = mesh.stats().services.orders
  await mesh.close()
  await Promise.all([killed, broken, hanging].map((service) => service.kill()))
  return [
    {
      what: `failed GETs of ${calls.length} (${retries} re-sent, ${movedOn} moved on)`,
      asked: 0,
      seen: count === 0 ? 0 : `${count}: ${kinds}`,
      ok: count === 0 && calls.length === 10_000,
    },
  ]
}
