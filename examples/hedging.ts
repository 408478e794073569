// Hedging: one of three instances pauses now and then, and no caller notices; what that costs is bounded.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMesh } from 'inmesh'

/** An instance that takes `pauseMs` for every tenth request. */
async function instance(pauseMs: number) {
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    setTimeout(() => response.end('order'), requests % 10 === 0 ? pauseMs : 2)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() }
}

const instances = [await instance(500), await instance(2), await instance(2)]
const endpoints = instances.map(({ address }) => address)
const mesh = createMesh({
  services: {
    plain: { endpoints },
    hedged: { endpoints, hedge: { after: '100ms', extraLoadPercent: 10 } },
  },
})
await mesh.ready()

for (const service of ['plain', 'hedged']) {
  let slow = 0
  for (let call = 0; call < 90; call++) {
    const began = performance.now()
    await (await mesh.fetch(`http://${service}/`)).text()
    if (performance.now() - began > 400) slow++
  }
  const { calls = 0, tries = 0 } = mesh.stats().services[service] ?? {}
  console.log(`${service}: ${slow} of ${calls} calls took longer than 400 ms, for ${tries} tries`)
}

await mesh.close()
for (const { close } of instances) close()
