import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { promises as dns } from 'node:dns'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where `program` is, or undefined when it is not installed. */
export function installed(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${program}`], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** A loopback port that was free for TCP and UDP a moment ago. */
async function freePort(): Promise<number> {
  const tcp = createServer()
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
  const { port } = tcp.address() as { port: number }
  const udp = createSocket('udp4')
  const free = await new Promise<boolean>((resolve) => {
    udp.once('error', () => resolve(false))
    udp.bind(port, '127.0.0.1', () => resolve(true))
  })
  udp.close()
  await new Promise((resolve) => tcp.close(resolve))
  return free ? port : freePort()
}

/** A real DNS server with one zone, `example.test`, that a test rewrites while it runs. */
export interface ZoneServer {
  readonly address: string
  /** Records in the form of a zone file, without the SOA. */
  write(records: string): Promise<void>
  kill(): Promise<void>
  /** Starts it again on the same port. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts BIND on a free loopback port. */
export function startBind(named: string, records: string): Promise<ZoneServer> {
  let serial = 0
  return start(records, {
    name: 'bind',
    file: (text) =>
      `$TTL 1\n@ SOA ns.example.test. admin.example.test. ${++serial} 1 1 60 1\n@ NS ns.example.test.\nns A 127.0.0.1\n${text}\n`,
    async spawn(folder, file, port) {
      const config = join(folder, 'named.conf')
      await writeFile(
        config,
        `options { directory "${folder}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none;
          session-keyfile none; managed-keys-directory "${folder}"; dnssec-validation no; minimal-responses yes; };
        controls { };
        zone "example.test" { type primary; file "${file}"; };`,
      )
      return spawn(named, ['-g', '-c', config, '-n', '1'], { stdio: ['ignore', 'ignore', 'pipe'] })
    },
  })
}

/** Starts dnsmasq on a free loopback port; its only content is a hosts file. */
export function startDnsmasq(dnsmasq: string, hosts: string): Promise<ZoneServer> {
  return start(hosts, {
    name: 'dnsmasq',
    file: (text) => `127.0.0.1 ns.example.test\n${text}\n`,
    spawn: async (_, file, port) =>
      spawn(
        dnsmasq,
        [
          ...['--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--user=root', '--no-resolv', '--no-hosts'],
          ...['--listen-address=127.0.0.1', '--bind-interfaces', `--port=${port}`],
          ...[`--addn-hosts=${file}`, '--local=/example.test/', '--local-ttl=1'],
        ],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      ),
  })
}

interface Program {
  readonly name: string
  /** What its file says, with the records of a test in it. */
  file(records: string): string
  spawn(folder: string, file: string, port: number): Promise<ChildProcess>
}

async function start(records: string, program: Program): Promise<ZoneServer> {
  const folder = await mkdtemp(join(tmpdir(), `${program.name}-`))
  const file = join(folder, 'records')
  const port = await freePort()
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    const dying = child
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return
    const gone = new Promise((resolve) => dying.once('exit', resolve))
    dying.kill('SIGKILL')
    await gone
  }
  const restart = async (): Promise<void> => {
    let said = ''
    child = await program.spawn(folder, file, port)
    child.stderr?.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-2_000)
    })
    if (await answers(port, 'ns.example.test')) return
    await kill()
    throw new Error(`${program.name} did not come up on port ${port}: ${said}`)
  }
  await writeFile(file, program.file(records))
  await restart()
  return {
    address: `127.0.0.1:${port}`,
    async write(text) {
      await writeFile(file, program.file(text))
      // Both read their content again at this signal.
      child?.kill('SIGHUP')
    },
    kill,
    restart,
    async stop() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number, name: string): Promise<boolean> {
  const resolver = new dns.Resolver({ timeout: 200, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
  for (let tries = 0; tries < 100; tries++) {
    try {
      await resolver.resolve4(name)
      return true
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return false
}
