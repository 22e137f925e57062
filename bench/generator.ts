// The load, in a process of its own: opens the connections, sends for a while, waits for every acknowledgement.
// Told by one argument (JSON) and by messages of its parent; answers with what it sent and saw.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.ts'

export interface GeneratorOptions {
  readonly port: number
  readonly certs: string
  readonly names: readonly string[]
  readonly values: number
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly firstTimeMs: number
}

export type GeneratorMessage =
  | { readonly event: 'connected' }
  /** The measured time begins and ends. */
  | { readonly event: 'measuring' }
  | { readonly event: 'measured'; readonly acknowledged: number; readonly seconds: number; readonly cpuMs: number }
  /** Everything is acknowledged. */
  | {
      readonly event: 'done'
      readonly writes: number
      readonly acknowledged: number
      readonly sum: number
      readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number }
    }

const handshakesAtOnce = 16

async function generate(options: GeneratorOptions): Promise<void> {
  const connections = options.names.map(name => openable(name, options))
  for (let i = 0; i < connections.length; i += handshakesAtOnce) {
    await Promise.all(connections.slice(i, i + handshakesAtOnce).map(connection => connection.open()))
  }
  tell({ event: 'connected' })
  for (const connection of connections) connection.start()
  await sleep(options.warmUpSeconds * 1000)
  for (const { latenciesMs } of connections) latenciesMs.length = 0
  await measure(connections, options.seconds)
  await Promise.all(connections.map(connection => connection.stop()))
  tell({
    event: 'done',
    writes: total(connections, ({ writes }) => writes),
    acknowledged: acknowledgedBy(connections),
    sum: total(connections, ({ sum }) => sum),
    latencyMs: percentiles(connections.flatMap(({ latenciesMs }) => latenciesMs))
  })
  for (const connection of connections) connection.close()
  process.disconnect()
}

function openable(name: string, { port, certs, values, window, firstTimeMs }: GeneratorOptions): Connection {
  const file = (path: string): string => readFileSync(join(certs, path), 'utf8')
  const tls = { ca: file('ca.pem'), cert: file(`devices/${name}.pem`), key: file(`devices/${name}.key`) }
  return new Connection({ port, name, tls, values, window, firstTimeMs })
}

async function measure(connections: readonly Connection[], forSeconds: number): Promise<void> {
  const before = acknowledgedBy(connections)
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  tell({ event: 'measuring' })
  await sleep(forSeconds * 1000)
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(cpu)
  tell({
    event: 'measured',
    acknowledged: acknowledgedBy(connections) - before,
    seconds,
    cpuMs: (user + system) / 1000
  })
}

function percentiles(values: number[]): { p50: number; p90: number; p99: number; max: number } {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

const total = (connections: readonly Connection[], of: (connection: Connection) => number): number =>
  connections.reduce((sum, connection) => sum + of(connection), 0)

const acknowledgedBy = (connections: readonly Connection[]): number =>
  total(connections, ({ acknowledged }) => acknowledged)

const tell = (message: GeneratorMessage): void => void process.send!(message)

await generate(JSON.parse(process.argv[2]!) as GeneratorOptions)
