import { createMesh } from 'inmesh'
import { EJECT_FOR_MS, play } from './acts.ts'
import { Service } from './fleet.ts'
import { Observer } from './scene.ts'
import { serve } from './service.ts'
import { summary } from './summary.ts'
import { Traffic } from './traffic.ts'
import { intro, viewFor } from './view.ts'

const SERVICES = ['orders-1', 'orders-2', 'orders-3']

/** Started with `service <name> <port>` it is one of the services, else the demo. */
const [role, name = '', port = '0'] = process.argv.slice(2)
if (role === 'service') serve(name, Number(port))
else void demo()

/**
 * The demo behind `npm start`: real processes, real faults, real calls.
 * Ends by itself; exit code 0 means that no call was lost.
 */
async function demo(): Promise<void> {
  const { stdout } = process
  intro(stdout, [
    'Three real HTTP services run as processes of their own, and this process calls them about 100 times a second ' +
      'through inmesh, while one is killed, one answers 503 and one hangs.',
    'No call should be lost. It takes about 30 seconds. ' +
      `Ejections last ${EJECT_FOR_MS / 1_000} s here so that you can watch them end; the default is 30 s.`,
  ])
  const view = viewFor(stdout)
  const services = SERVICES.map((each) => new Service(each, (error) => fail(error)))
  /** In every case: the terminal as it was, and no process left behind. */
  const leave = (): void => {
    view.end()
    for (const service of services) service.kill()
  }
  const fail = (error: unknown): void => {
    leave()
    console.error(error)
    process.exit(1)
  }
  process.on('exit', leave)
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))
  process.on('SIGHUP', () => process.exit(129))
  // `npm start | head` closes the pipe early: nobody reads any more, so there is nothing left to do.
  stdout.on('error', () => process.exit(0))

  await Promise.all(services.map((service) => service.start()))
  const mesh = createMesh({
    services: {
      orders: {
        endpoints: services.map(({ address }) => address),
        timeout: '3s',
        retry: { attempts: 2, perTryTimeout: '300ms' },
        outlierDetection: { consecutiveFailures: 5, ejectFor: EJECT_FOR_MS },
      },
    },
  })
  await mesh.ready()
  const traffic = new Traffic(mesh)
  const observer = new Observer(mesh, traffic, services)
  const tell = (tone: Parameters<typeof view.tell>[1], text: string): void => view.tell(observer.elapsedMs, tone, text)
  mesh.on('circuitOpened', ({ failurePercent }) => tell('bad', `the breaker opens: ${Math.round(failurePercent)} % of the calls fail`))
  mesh.on('circuitClosed', () => tell('good', 'the breaker closes'))

  traffic.start()
  const drawing = setInterval(() => view.draw(observer.look()), view.everyMs)
  const verdicts = await play({
    mesh,
    traffic,
    services,
    tell,
    heading: (text) => {
      observer.heading = text
    },
    mark: (service, trouble) => observer.trouble.set(service, trouble),
  })
  clearInterval(drawing)
  await traffic.stop()
  view.draw(observer.look())
  leave()
  stdout.write(summary(stdout, traffic, verdicts))
  await mesh.close()
  process.exitCode = traffic.lost === 0 ? 0 : 1
}
