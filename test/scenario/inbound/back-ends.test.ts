import { describe, expect, it } from 'vitest'
import { isBelow } from '../../../src/core/canonical-path.ts'
import { FREE_PERMIT } from '../../../src/core/gate.ts'
import { createMesh, type InboundGate } from '../../../src/index.ts'
import { BACK_ENDS } from '../../support/back-ends.ts'
import { lifetimes } from '../../support/lifetimes.ts'
import { get, getHttp2, type RawAnswer } from '../../support/raw-request.ts'

const { keep } = lifetimes()

/** Forbids `/admin` and what lies below it, as a rule of a policy would. */
function forbidAdmin(seen: string[] = []): InboundGate {
  return {
    name: 'authorization',
    admit(call) {
      seen.push(call.path)
      return [call.pathname, call.loosePathname ?? ''].some((path) => isBelow(path, '/admin'))
        ? { refused: true, code: 'MESH_FORBIDDEN', status: 403, reason: 'admin is forbidden' }
        : FREE_PERMIT
    },
  }
}

describe.each(Object.keys(BACK_ENDS))('%s behind the guard', (name) => {
  const start = async (gate: InboundGate): Promise<(target: string, headers?: string[]) => Promise<RawAnswer>> => {
    const mesh = createMesh({ inbound: { gates: [gate] } })
    const { port, close } = await (BACK_ENDS[name] as (typeof BACK_ENDS)[string])(mesh)
    keep(close)
    keep(() => mesh.close())
    return (target, headers) => (name === 'http2' ? getHttp2(port, target) : get(port, target, headers))
  }

  it('routes what was judged', async () => {
    const ask = await start(forbidAdmin())
    const taken: Record<string, unknown> = {}
    for (const target of TARGETS) {
      const { status, body } = await ask(target)
      taken[target] = status === 200 ? body : status
    }
    expect(Object.values(taken)).not.toContain('admin')
    expect(taken).toMatchObject({
      '/public': 'public',
      '/public/a': 'public',
      '/public/../admin': 403,
      '/admin/../public': 'public',
      '/%61dmin': 403,
      '//admin': 403,
      '/public//a': 'public',
      '/public%2f..%2fadmin': 400,
      '/public/..;/admin': 400,
      '/%c0%ae%c0%ae/admin': 400,
    })
  })
})

/** Spellings that have been taken for `/admin` by some server, and honest ones. */
const TARGETS = [
  '/public',
  '/public/a',
  '/admin',
  '/admin/',
  '/ADMIN',
  '/Admin/x',
  '/admin?x',
  '/public/../admin',
  '/public/%2e%2e/admin',
  '/public/.%2E/admin',
  '/./admin',
  '/../admin',
  '/admin/../public',
  '/%61dmin',
  '/%41DMIN',
  '//admin',
  '/public//a',
  '///admin//x',
  '/admin//',
  '/public%2f..%2fadmin',
  '/%2fadmin',
  '/public/..;/admin',
  '/admin;x',
  '/;x/admin',
  '/%c0%ae%c0%ae/admin',
  '/admin%00',
  '/%2561dmin',
  '/%252e%252e/admin',
  '/admin%',
  '/admin%zz',
  '/admin%20',
  '/admin%09',
  '/public/..\\admin',
  '/public\\..\\admin',
  '/%5cadmin',
  '/admin.',
  '/public/...//admin',
]
