// Two instances of an orders service; of the requests that come, the twenty-first takes a second.
import { answerOrder, bind, serve } from '../doc-server.mjs'

let requests = 0
const mostly = (request, response) => {
  requests++
  if (requests === 21) setTimeout(() => answerOrder(request, response), 1_000)
  else answerOrder(request, response)
}
bind(await Promise.all([serve(mostly), serve(mostly)]))
