// Two instances of an orders service that report their load, the first of which is busy.
import { answerOrder, bind, serve } from '../doc-server.mjs'

const loaded = (utilization) => (request, response) => {
  response.setHeader('endpoint-load-metrics', `TEXT rps_fractional=100, cpu_utilization=${utilization}`)
  answerOrder(request, response)
}
bind(await Promise.all([serve(loaded(0.9)), serve(loaded(0.3))]))
