import { createServer } from 'node:http'

/** How a service process behaves; the demo tells it over IPC. */
export type Behaviour = 'ok' | '503' | 'hang'

/** What a service process says to the demo. */
export type Report = { listening: number } | { behaving: Behaviour }

/**
 * One of the demo's HTTP services, in a process of its own. It knows nothing of inmesh. It ends when the demo does,
 * also when the demo was killed: then the IPC channel closes.
 */
export function serve(name: string, port: number): void {
  if (process.send === undefined) throw new Error('a service of the demo is started by the demo')
  const say = (report: Report): void => void process.send?.(report)
  let behaviour: Behaviour = 'ok'

  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (behaviour === 'hang') return
      const busyMs = 2 + Math.random() * 6
      setTimeout(() => {
        const broken = behaviour === '503'
        response.writeHead(broken ? 503 : 200, { 'content-type': 'application/json', 'x-served-by': name })
        response.end(JSON.stringify(broken ? { error: 'out of order' } : { from: name, order: 42 }))
      }, busyMs)
    })
  })
  server.listen(port, '127.0.0.1', () => say({ listening: (server.address() as { port: number }).port }))

  process.on('message', (next: Behaviour) => {
    behaviour = next
    say({ behaving: next })
  })
  process.on('disconnect', () => process.exit())
  // Ctrl-C reaches the whole process group; the demo decides in which order it ends.
  process.on('SIGINT', () => {})
}
