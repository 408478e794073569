// Two instances of an orders service that answer 503.
import { bind, serve } from '../doc-server.mjs'

const unavailable = (request, response) => {
  response.statusCode = 503
  request.resume().once('end', () => response.end('unavailable'))
}
bind(await Promise.all([serve(unavailable), serve(unavailable)]))
