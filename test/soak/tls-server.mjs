// A service under mutual TLS in a process of its own: `node tls-server.mjs <directory of its identity>`. It answers whom it sees, and says
// how often its certificate changed and what it refused.
import { createServer } from 'node:https'
import process from 'node:process'
import { createMesh } from 'inmesh'
import { identityIn } from './issuer.mjs'

const mesh = createMesh(identityIn(process.argv[2], 'example.org'))
await mesh.ready()
const seen = { rotations: 0, handshakes: 0, failedHandshakes: 0, rejected: 0 }
mesh.on('identityRotated', () => seen.rotations++)
mesh.on('peerRejected', () => seen.rejected++)

const server = createServer(mesh.tls(), (request, response) => {
  request.resume().on('end', () => response.end(mesh.principalOf(request.socket)?.id))
})
server.on('secureConnection', () => seen.handshakes++)
server.on('tlsClientError', () => seen.failedHandshakes++)
server.listen(0, '127.0.0.1', () => process.send({ listening: server.address().port }))
process.on('message', () => process.send(seen))
process.on('disconnect', () => process.exit())
