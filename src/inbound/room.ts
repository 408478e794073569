import { type AnyRequest, type AnyResponse, isHttp2 } from './http-request.ts'
import { makeRoomForMark } from './inbound-request.ts'

/** What Express 4 and 5 give every request and response before the first middleware, and the route, which comes last. */
interface Furnished {
  res?: unknown
  next?: unknown
  baseUrl?: unknown
  originalUrl?: unknown
  params?: unknown
  route?: unknown
  locals?: unknown
}

/**
 * Express gives a request and its response other prototypes, and only then adds properties of its own, the guard's mark among them. To add one
 * takes V8 a microsecond or more from then on, to fill one that is there next to nothing: so all of them are there before. They hold
 * nothing until Express writes them; what somebody else put there stays.
 */
export function makeRoom(request: AnyRequest, response: AnyResponse): void {
  makeRoomForMark(request)
  if (isHttp2(request)) return
  const asked = request as Furnished
  // One after the other and by name: a list of names would be looked up as text each time.
  if (!('res' in asked)) asked.res = undefined
  if (!('next' in asked)) asked.next = undefined
  if (!('baseUrl' in asked)) asked.baseUrl = undefined
  if (!('originalUrl' in asked)) asked.originalUrl = undefined
  if (!('params' in asked)) asked.params = undefined
  if (!('route' in asked)) asked.route = undefined
  if (!('locals' in response)) (response as Furnished).locals = undefined
}
