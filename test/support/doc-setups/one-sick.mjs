// Three instances of an orders service, the first of which fails its health checks.
import { answerOrder, bind, serve } from '../doc-server.mjs'

const sick = (request, response) => {
  if (request.url !== '/healthz') return answerOrder(request, response)
  response.statusCode = 503
  response.end()
}
bind(await Promise.all([serve(sick), serve(), serve()]))
