// Three instances of an orders service, the first of which answers 500.
import { bind, serve } from '../doc-server.mjs'

const broken = (request, response) => {
  response.statusCode = 500
  request.resume().once('end', () => response.end('broken'))
}
bind(await Promise.all([serve(broken), serve(), serve()]))
