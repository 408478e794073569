// fileSource: configuration in a file that changes while calls go on; a mistake is told with its place and changes nothing.
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createMesh, fileSource } from 'inmesh'

async function serve(name: string) {
  const server = createServer((_, response) => response.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}
const [blue, green] = [await serve('blue'), await serve('green')]

const directory = await mkdtemp(join(tmpdir(), 'inmesh-'))
process.chdir(directory)
/** Beside the file, then over it: nobody ever reads half of it. */
async function write(text: string): Promise<void> {
  await writeFile('mesh.yaml.new', text)
  await rename('mesh.yaml.new', 'mesh.yaml')
}
const services = (address: string, more = ''): string => `services:\n  shop:\n    endpoints: ['${address}']\n${more}`

await write(services(blue.address))
const mesh = createMesh({ sources: [fileSource('mesh.yaml')] })
mesh.on('configRejected', ({ rejections }) => {
  for (const { problems } of rejections) for (const problem of problems) console.log(`  ${problem}`)
})
mesh.on('sourceFailed', ({ error }) => console.log(`  ${(error as Error).message}`))
mesh.on('sourceRecovered', () => console.log('  it is back'))
const call = async (): Promise<string> => (await mesh.fetch('http://shop/')).text()

console.log('at first:', await call())

await write(services(green.address))
const start = performance.now()
while ((await call()) !== 'green') await wait(1)
console.log('changed: green', performance.now() - start < 1_000 ? 'within a moment' : 'at last')

console.log('a mistake:')
await write(services(blue.address, '    timeout: soon\n    retry: { attempts: 99 }\n'))
await wait(400)
console.log('it changes nothing:', await call())

console.log('the file is gone:')
await rm('mesh.yaml')
await wait(400)
await write(services(blue.address))
await wait(400)
console.log('now:', await call())

await mesh.close()
blue.server.close()
green.server.close()
await rm(directory, { recursive: true })
