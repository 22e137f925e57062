// The product as a target: a server process that the bench starts, or a server that runs already (`--server`).

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Column } from '../load/columns.ts'
import type { Database } from './database.ts'
import { scrape } from './metrics.ts'
import type { FleetNames } from './names.ts'
import { listenerOf, serverCpuOf, serverRssBytesOf } from './processes.ts'
import type { Target } from './target.ts'
import { judge, ourShape, readStored, VerifyError } from './verify.ts'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
export const productName = 'chargelift'

export interface Product extends Target {
  readonly pid: number | undefined
  readonly database: Database
  /** The server's address, `http://host:port`. Undefined when the address is unknown. */
  readonly httpUrl: string | undefined
}

interface Place {
  readonly host: string
  readonly port: number
  readonly certs: string
  readonly metricsUrl: string | undefined
  readonly pid: number | undefined
  readonly close: () => Promise<void>
}

/** The chargers and values that the database must contain after the run. */
export interface Expected {
  readonly names: FleetNames
  readonly columns: readonly Column[]
}

export interface OwnServer {
  readonly certs: string
  readonly workers: number | undefined
  readonly processes?: number | undefined
  readonly redisUrl?: string | undefined
}

/** Starts a server on a fresh database. `close` stops the server and drops the database. */
export async function startProduct(database: Database, own: OwnServer, expected: Expected): Promise<Product> {
  const { child, mqttPort, httpPort } = await startServer(database.url, own)
  const ended = new Promise(resolve => child.once('close', resolve))
  const place: Place = {
    host: '127.0.0.1',
    port: mqttPort,
    certs: own.certs,
    metricsUrl: `http://127.0.0.1:${httpPort}/metrics`,
    pid: child.pid,
    async close() {
      child.kill('SIGTERM')
      await ended
      await database.close()
    }
  }
  return productAt(database, place, expected)
}

/** Uses a server that runs already, and its database. */
export function productThatRuns(
  database: Database,
  place: Omit<Place, 'pid' | 'close'>,
  expected: Expected
): Promise<Product> {
  const isHere = /^(localhost$|127\.|::1$)/.test(place.host)
  const pid = isHere ? listenerOf(place.port) : undefined
  return productAt(database, { ...place, pid, close: () => database.close() }, expected)
}

async function productAt(database: Database, place: Place, { names, columns }: Expected): Promise<Product> {
  const { pid, metricsUrl, host, port, certs } = place
  const read = () => readStored((sql, values) => database.query(sql, values), ourShape, columns, names.prefix)
  const sinceMs = Date.now()
  // Issued names are used again, so the database may hold rows of an earlier run.
  const earlier = names.prefix === '' ? await read() : new Map<string, Float64Array>()
  return {
    name: productName,
    address: { host, port, certs },
    pid,
    database,
    httpUrl: metricsUrl && new URL(metricsUrl).origin,
    row: 'poll',
    storing: ['main', 'workers', 'helpers', 'database'],
    cpu() {
      const databaseMs = database.cpuMs()
      return { ...(pid !== undefined && serverCpuOf(pid)), ...(databaseMs !== undefined && { database: databaseMs }) }
    },
    rssBytes: () => (pid === undefined ? undefined : serverRssBytesOf(pid)),
    metrics: () => scrape(metricsUrl),
    stored: undefined,
    async verify(ledger) {
      const stored = await read()
      const ours = names.prefix === '' ? since(earlier, stored, names.names) : stored
      const findings = [
        ...judge(names.names, ledger, ours, columns, 'poll'),
        ...(await rejectedOf(database, names, sinceMs))
      ]
      if (findings.length > 0) throw new VerifyError(findings)
    },
    close: place.close
  }
}

/** The rows of the given chargers since `earlier`. All numbers of the ledger are sums, so a difference is enough. */
function since(
  earlier: ReadonlyMap<string, Float64Array>,
  stored: ReadonlyMap<string, Float64Array>,
  names: readonly string[]
): Map<string, Float64Array> {
  return new Map(
    names.map(name => [name, (stored.get(name) ?? new Float64Array()).map((n, i) => n - (earlier.get(name)?.[i] ?? 0))])
  )
}

async function rejectedOf(database: Database, { prefix, names }: FleetNames, sinceMs: number): Promise<string[]> {
  const there = await database.query<{ there: boolean }>("SELECT to_regclass('rejected_messages') IS NOT NULL AS there")
  if (!there.rows[0]!.there) return []
  const { rows } = await database.query<{ count: number; example: string | null }>(
    `SELECT count(*)::int AS count, min(code || ': ' || reason) AS example FROM rejected_messages
     WHERE starts_with(identity, $1) AND ($1 <> '' OR identity = ANY($2)) AND received_at >= to_timestamp($3 / 1000.0)`,
    [prefix, prefix === '' ? names : [], sinceMs]
  )
  const { count, example } = rows[0]!
  return count === 0 ? [] : [`${count} rejected (${example})`]
}

const startTimeoutMs = 60_000

interface StartedServer {
  readonly child: ChildProcess
  readonly mqttPort: number
  readonly httpPort: number
}

async function startServer(
  databaseUrl: string,
  { certs, workers, processes, redisUrl }: OwnServer
): Promise<StartedServer> {
  const flags = ['--mqtt-host', '127.0.0.1', '--mqtt-port', '0', '--http-port', '0', '--log-level', 'info']
  const tls = ['ca:ca.pem', 'cert:server.pem', 'key:server.key', 'crl:crl.pem'].flatMap(pair => {
    const [flag, file] = pair.split(':')
    return [`--tls-${flag}`, join(certs, file!)]
  })
  const given = { workers, processes, 'redis-url': redisUrl }
  const more = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)]
  )
  const child = spawn(process.execPath, [cli, 'server', ...flags, ...tls, ...more], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs)
  for await (const line of createInterface({ input: child.stdout! })) {
    const { msg, mqttPort, httpPort } = JSON.parse(line)
    if (msg !== 'listening') continue
    clearTimeout(timer)
    child.stdout!.resume() // a full pipe would block the server
    return { child, mqttPort, httpPort }
  }
  throw new Error('expected a server that listens, found one that ended')
}
