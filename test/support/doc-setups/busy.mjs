// An orders service whose every second answer is a 503 that asks for a second try after one second.
import { answerOrder, bind, serve } from '../doc-server.mjs'

let requests = 0
const busy = (request, response) => {
  if (++requests % 2 === 0) {
    answerOrder(request, response)
    return
  }
  response.writeHead(503, { 'retry-after': '1' })
  request.resume().once('end', () => response.end('busy'))
}
bind([await serve(busy)])
