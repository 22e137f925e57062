// `npm run bench`: a fleet of real mTLS connections against a server of its own, everything acknowledged after the commit.
// Prints speed and CPU per message, and first of all checks that what was acknowledged is in the database, no more, no less:
// a run that fails this prints no speed.

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { initAuthority } from '../src/pki/authority.ts'
import { issueDevice } from '../src/pki/devices.ts'
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../src/server/database.ts'
import type { GeneratorMessage, GeneratorOptions } from './generator.ts'

interface Scenario {
  readonly summary: string
  readonly connections: number
  readonly values: number
  /** Unacknowledged messages per connection; 0 = one write. */
  readonly window: number
}

const scenarios: Record<string, Scenario> = {
  'spool-drain': {
    summary: 'recovery speed: few edges send their backlog, 256 messages unacknowledged each',
    connections: 200,
    values: 4,
    window: 256
  },
  fleet: {
    summary: 'many chargers, each sends its next poll when the last one is acknowledged',
    connections: 500,
    values: 4,
    window: 0
  }
}

const folder = 'data/bench'
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

interface Settings extends Scenario {
  readonly scenario: string
  readonly seconds: number
  readonly workers: string | undefined
  readonly databaseUrl: string | undefined
  readonly json: string | undefined
}

function readSettings(): Settings | undefined {
  const option = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      connections: option,
      values: option,
      seconds: option,
      workers: option,
      'database-url': option,
      json: option
    }
  })
  const scenario = positionals[0]
  if (scenario === undefined || !Object.hasOwn(scenarios, scenario)) return undefined
  const defaults = scenarios[scenario]!
  return {
    ...defaults,
    scenario,
    connections: positive('connections', values.connections ?? defaults.connections),
    values: positive('values', values.values ?? defaults.values, 4),
    seconds: positive('seconds', values.seconds ?? 10),
    workers: values.workers,
    databaseUrl: values['database-url'],
    json: values.json
  }
}

function positive(flag: string, value: string | number, max = 100_000): number {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  throw new Error(`--${flag}: expected a whole number, 1 to ${max}, found ${value}`)
}

const usage = (): string => `Usage: npm run bench -- SCENARIO [--connections N] [--values K] [--seconds S] [--workers W]
                                [--database-url URL] [--json FILE]

${Object.entries(scenarios)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  .join('\n')}
`

async function bench(settings: Settings): Promise<void> {
  const names = await prepareCertificates(settings.connections)
  const embedded = settings.databaseUrl === undefined ? await startEmbeddedDatabase(folder) : undefined
  const database = await freshDatabase(embedded?.url ?? settings.databaseUrl!)
  try {
    const server = await startServer(database.url, settings)
    try {
      await run(settings, names, server, database)
    } finally {
      server.child.kill('SIGTERM')
      await server.ended
    }
  } finally {
    await database.drop()
    await (embedded as EmbeddedDatabase | undefined)?.stop()
  }
}

async function prepareCertificates(count: number): Promise<string[]> {
  const dir = join(folder, 'certs')
  await initAuthority({ dir })
  const names = Array.from({ length: count }, (_, i) => `bench-${i}`)
  for (const name of names) if (!existsSync(join(dir, `devices/${name}.pem`))) await issueDevice({ dir, name })
  return names
}

interface Database {
  readonly url: string
  readonly client: pg.Client
  drop(): Promise<void>
}

async function freshDatabase(adminUrl: string): Promise<Database> {
  const name = `chargelift_bench_${process.pid}`
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  const drop = async (): Promise<void> => {
    await client.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
    await admin.end()
  }
  return { url: url.href, client, drop }
}

interface BenchServer {
  readonly child: ChildProcess
  readonly port: number
  readonly engine: string
  readonly ended: Promise<unknown>
}

async function startServer(databaseUrl: string, { workers }: Settings): Promise<BenchServer> {
  const file = (name: string): string => join(folder, 'certs', name)
  const flags = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0', '--log-level', 'info']
  const tls = [
    '--tls-ca',
    file('ca.pem'),
    '--tls-cert',
    file('server.pem'),
    '--tls-key',
    file('server.key'),
    '--tls-crl',
    file('crl.pem')
  ]
  const child = spawn(
    process.execPath,
    [at('../src/cli.ts'), 'server', ...flags, ...tls, ...(workers ? ['--workers', workers] : [])],
    {
      env: { ...process.env, DATABASE_URL: databaseUrl },
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  const ended = new Promise(resolve => child.once('close', resolve))
  for await (const line of createInterface({ input: child.stdout! })) {
    const { msg, mqttPort, engine } = JSON.parse(line)
    if (msg !== 'listening') continue
    child.stdout!.resume() // a full pipe would stop it
    return { child, port: mqttPort, engine, ended }
  }
  throw new Error('expected a server that listens, found one that ended')
}

type Event<Name> = Extract<GeneratorMessage, { event: Name }>

async function run(
  settings: Settings,
  names: readonly string[],
  server: BenchServer,
  database: Database
): Promise<void> {
  const { scenario, connections, values, window, seconds } = settings
  const options: GeneratorOptions = {
    port: server.port,
    certs: join(folder, 'certs'),
    names,
    values,
    window: window || values,
    warmUpSeconds: 2,
    seconds,
    firstTimeMs: Date.now() - 30 * 86_400_000
  }
  const generator = fork(at('generator.ts'), [JSON.stringify(options)])
  const events = generatorEvents(generator)
  print(
    `${scenario}: ${connections} connections, ${values} values per write, ${options.window} unacknowledged, ${server.engine}`
  )
  await events.next('measuring')
  const before = cpuMsOf(server.child.pid!)
  const measured = await events.next('measured')
  const serverCpuMs = cpuMsOf(server.child.pid!) - before
  const rssMb = Math.round(rssBytesOf(server.child.pid!) / 1e6)
  const done = await events.next('done')
  await verify(database.client, settings, done)
  const result = {
    scenario,
    connections,
    values,
    engine: server.engine,
    messagesPerSecond: Math.round(measured.acknowledged / measured.seconds),
    serverCpuUsPerMessage: round((serverCpuMs * 1000) / measured.acknowledged),
    generatorCpuUsPerMessage: round((measured.cpuMs * 1000) / measured.acknowledged),
    latencyMs: Object.fromEntries(Object.entries(done.latencyMs).map(([name, ms]) => [name, round(ms)])),
    serverRssMb: rssMb,
    acknowledged: done.acknowledged,
    node: process.version,
    machine: `${cpus().length} x ${cpus()[0]?.model}`
  }
  print(
    `  verified: ${done.acknowledged} acknowledged messages are ${done.writes} rows, none lost, none doubled, sums equal`
  )
  print(
    `  ${result.messagesPerSecond} messages/s; CPU per message: server ${result.serverCpuUsPerMessage} us, generator ${result.generatorCpuUsPerMessage} us`
  )
  print(
    `  acknowledged after ${Object.entries(result.latencyMs)
      .map(([name, ms]) => `${name} ${ms} ms`)
      .join(', ')}; server RSS ${rssMb} MB`
  )
  if (settings.json !== undefined) writeFileSync(settings.json, `${JSON.stringify(result, null, 2)}\n`)
}

function generatorEvents(generator: ChildProcess): {
  next<Name extends GeneratorMessage['event']>(name: Name): Promise<Event<Name>>
} {
  const seen = new Map<string, GeneratorMessage>()
  const waiting = new Map<string, (message: GeneratorMessage) => void>()
  let failed: (error: Error) => void = () => {}
  const failure = new Promise<never>((_, reject) => (failed = reject))
  failure.catch(() => {})
  generator.on('message', (message: GeneratorMessage) => {
    seen.set(message.event, message)
    waiting.get(message.event)?.(message)
  })
  generator.on('exit', code => code !== 0 && failed(new Error(`the generator ended with ${code}`)))
  return {
    next: <Name extends GeneratorMessage['event']>(name: Name) =>
      Promise.race([
        failure,
        new Promise<GeneratorMessage>(resolve => {
          const message = seen.get(name)
          if (message) resolve(message)
          else waiting.set(name, resolve)
        })
      ]) as Promise<Event<Name>>
  }
}

/** Throws unless the acknowledged set is the stored set. */
async function verify(
  db: pg.Client,
  { values }: Settings,
  { writes, acknowledged, sum }: Event<'done'>
): Promise<void> {
  const { rows } = await db.query(
    'SELECT count(*)::text AS rows, coalesce(sum(session_energy), 0)::text AS sum FROM ev_readings'
  )
  const rejected = await db.query('SELECT count(*)::text AS count FROM rejected_messages')
  const found = { rows: Number(rows[0].rows), sum: Number(rows[0].sum), rejected: Number(rejected.rows[0].count) }
  const expected = { rows: writes, sum, rejected: 0 }
  if (acknowledged !== writes * values || JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(
      `expected ${JSON.stringify(expected)} for ${acknowledged} acknowledged messages, found ${JSON.stringify(found)}`
    )
  }
}

/** User and system time of a process, ms. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  const ticksPerSecond = 100
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}

const rssBytesOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
const round = (value: number): number => Math.round(value * 100) / 100
const print = (line: string): void => void process.stdout.write(`${line}\n`)

const settings = readSettings()
if (settings === undefined) print(usage())
else await bench(settings)
