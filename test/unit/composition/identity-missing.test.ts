import { expect, it } from 'vitest'
import { createMesh } from '../../../src/index.ts'

it('an identity whose files cannot be used: ready and tls say why', async () => {
  const mesh = createMesh({
    identity: { certFile: '/nowhere/cert.pem', keyFile: '/nowhere/key.pem' },
    trust: { 'example.org': { caFile: '/nowhere/ca.pem' } },
  })
  expect(() => mesh.tls()).toThrow(/^the identity cannot be used: /)
  await expect(mesh.ready({ timeout: '1500ms' })).rejects.toThrow(
    /from: identity \(.*\/nowhere\/cert\.pem.*\), trust\.example\.org \(.*ca\.pem/,
  )
  expect(() => mesh.tls()).toThrow(/^the identity cannot be used: .*\/nowhere\/cert\.pem.*; mesh\.ready\(\) waits until they are right$/)
  await mesh.close()
})
