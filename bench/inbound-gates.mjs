const FREE = { settle() {} }
const REFUSED = { refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'not here' }

/** A gate for every question that the inbound side asks: three that read the request, and one that hears how each call ended. */
export const gates = [
  { name: 'authentication', admit: (call) => (call.header('authorization') === 'none' ? REFUSED : FREE) },
  {
    name: 'authorization',
    admit: ({ pathname, loosePathname }) => (pathname.startsWith('/admin') || loosePathname?.startsWith('/admin') ? REFUSED : FREE),
  },
  { name: 'limit', admit: (call) => (call.remoteAddress === '192.0.2.1' ? REFUSED : FREE) },
  {
    name: 'inflight',
    inflight: 0,
    admit() {
      this.inflight++
      return this
    },
    settle() {
      this.inflight--
    },
  },
]
