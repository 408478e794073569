import type { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { CallSettings } from '../model/call-settings.ts'
import type { RequestContext } from '../model/request-context.ts'

/** Where the context of a response is found when it closes; so one listener serves every request. */
const CONTEXT = Symbol('inmesh.context')

type Answer = (ServerResponse | Http2ServerResponse) & { [CONTEXT]?: RequestContext }

/**
 * Runs `next` beneath `context`: everything that it begins, however deep, inherits from the request, and is called off when the client
 * leaves before `response` has come to its end.
 */
export function enter(
  storage: AsyncLocalStorage<CallSettings>,
  context: RequestContext,
  response: ServerResponse | Http2ServerResponse,
  next: () => void,
): void {
  const answer = response as Answer
  answer[CONTEXT] = context
  answer.once('close', closed)
  storage.run(context, next)
}

function closed(this: unknown): void {
  const answer = this as Answer
  const context = answer[CONTEXT]
  context?.signal?.stop()
  if (!isComplete(answer)) context?.cancel(new DOMException('the client left before it had its answer', 'AbortError'))
}

/** Whether everything was written. Over HTTP/2 the response says so of every stream that is gone, and only the stream knows better. */
function isComplete(answer: ServerResponse | Http2ServerResponse): boolean {
  return 'stream' in answer ? answer.writableEnded && answer.stream.rstCode === 0 : answer.writableFinished
}
