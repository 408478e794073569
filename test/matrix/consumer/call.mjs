// What an application does, seen from outside: it gets `inmesh` and the address of a service, makes calls, and says how it went.
// Nothing is closed: the process must end by itself.
export async function call({ createMesh, isMeshError }, address) {
  const read = async (response) => `${response.status} ${await response.text()}`
  const stranger = `http://${address}/stranger`
  await read(await fetch(stranger))
  const symbols = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`))
  const before = symbols.map((symbol) => globalThis[symbol])

  const mesh = createMesh({ services: { orders: { endpoints: [address] } } })
  const said = [await read(await mesh.fetch('http://orders/fetch'))]
  said.push(await read(await fetch('http://orders/dispatcher', { dispatcher: mesh.dispatcher })))
  const { statusCode, body } = await mesh.request('http://orders/request')
  said.push(`${statusCode} ${await body.text()}`)
  const posted = await mesh.fetch('http://orders/post', { method: 'POST', body: new URLSearchParams({ a: '1' }), mesh: { timeout: '5s' } })
  said.push(await read(posted))
  const restore = mesh.install()
  said.push(await read(await fetch('http://orders/installed')), await read(await fetch(stranger)))
  restore()
  let runs = 0
  const twice = async () => {
    if (++runs === 1) throw new Error('once')
    return runs
  }
  said.push(String(await mesh.execute('db', twice, { idempotent: true })))
  const refused = await mesh.fetch('http://orders/', { mesh: { timeout: 'soon' } }).catch((error) => error)
  said.push(String(isMeshError(refused)))

  const kept = before.every((dispatcher, index) => dispatcher === undefined || dispatcher === globalThis[symbols[index]])
  const expected = ['fetch', 'dispatcher', 'request', 'post', 'installed', 'stranger'].map((path) => `200 /${path}`).concat('2', 'true')
  if (!kept) throw new Error('the global dispatcher of the platform was replaced')
  if (said.join() !== expected.join()) throw new Error(`expected ${expected.join()}\ngot ${said.join()}`)
  console.log(`made ${said.length} calls`)
}
