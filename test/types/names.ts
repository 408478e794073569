// The names of services: known ones complete in editors, any other string is allowed.
import { createMesh, type Mesh, type MeshOptions, type ServiceName } from 'inmesh'
import { holds, type Same } from './expect.ts'

type NameOf<M> = M extends Mesh<infer Name> ? Name : never

const named = createMesh({ services: { orders: { endpoints: ['127.0.0.1:80'] }, billing: {} } })
holds<Same<NameOf<typeof named>, 'orders' | 'billing' | (string & {})>>()

const nameless = createMesh()
holds<Same<NameOf<typeof nameless>, string & {}>>()

const unknown: MeshOptions = {}
const dynamic = createMesh(unknown)
holds<Same<NameOf<typeof dynamic>, string | (string & {})>>()

const kept = { services: { orders: { timeout: '2s' } } } satisfies MeshOptions
const fromVariable = createMesh(kept)
holds<Same<NameOf<typeof fromVariable>, ServiceName<typeof kept>>>()
holds<Same<ServiceName<typeof kept>, 'orders' | (string & {})>>()

// A mesh that knows names goes where any mesh is wanted.
export const any: Mesh[] = [named, nameless, dynamic]
export const other: NameOf<typeof named> = 'DEFAULT_GROUP@@orders'
