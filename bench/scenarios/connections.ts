// Scenarios about connections: a storm of reconnects, and a fleet of idle connections.

import { setTimeout as sleep } from 'node:timers/promises'
import type { FigureName, Figures, Run } from '../report/result.ts'
import { defined, Fleet } from '../rig/measure.ts'
import { type Product, productName } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Bench, Scenario } from './scenario.ts'

export const connectStorm: Scenario = {
  summary: 'all chargers connect at the same moment: with a full handshake, then resuming their TLS sessions',
  defaults: { connections: 1_000 },
  run: bench => repeated(bench, storm)
}

export const idleConnections: Scenario = {
  summary: 'chargers that are connected and say nothing: what each costs in memory',
  defaults: { connections: 5_000, seconds: 15 },
  run: bench => repeated(bench, idle)
}

/** The server sends session tickets after the handshake. */
const settleMs = 2_000

type Measure = (bench: Bench, fleet: Fleet, product: Product) => Promise<Figures>

/** Each charger sends one poll at the end, so that the run can be verified like any other. */
const repeated = (bench: Bench, measure: Measure): Promise<void> =>
  bench.eachRepeat((product, expected, repeat) =>
    bench.withFleet(Fleet.create(product, bench.load(expected), bench.progress), async (fleet): Promise<Run> => {
      const figures = await measure(bench, fleet, product)
      await fleet.crew.start()
      const { verified } = await fleet.finish()
      return { target: productName, repeat, verified, figures, cpuUs: {}, moments: [], latency: [], batchRows: [] }
    })
  )

async function storm(bench: Bench, fleet: Fleet, product: Product): Promise<Figures> {
  const { connections } = bench.settings
  const full = await openAll(fleet, product, connections, false)
  await sleep(settleMs)
  await fleet.crew.cut()
  await untilNobody(product)
  const resumed = await openAll(fleet, product, connections, true)
  if (resumed.resumed < connections) {
    throw new VerifyError([
      `${resumed.resumed} of ${connections} TLS sessions were resumed: the rest were full handshakes`
    ])
  }
  return defined({
    ...namedFigures('full', full, connections),
    ...namedFigures('resumed', resumed, connections),
    retryCount: full.retries + resumed.retries
  })
}

interface Storm {
  readonly seconds: number
  readonly serverMs: number
  readonly resumed: number
  readonly retries: number
  readonly p99Ms: number
}

async function openAll(fleet: Fleet, product: Product, atOnce: number, resume: boolean): Promise<Storm> {
  await fleet.crew.prepare()
  const before = serverMs(product)
  const { seconds, resumed, retries, latency } = await fleet.open(atOnce, resume)
  return { seconds, resumed, retries, serverMs: serverMs(product) - before, p99Ms: latency.atMs(0.99) }
}

const namedFigures = (
  kind: 'full' | 'resumed',
  storm: Storm,
  connections: number
): Partial<Record<FigureName, number>> => ({
  [`${kind}PerSecond`]: connections / storm.seconds,
  [`${kind}ServerMs`]: storm.serverMs / connections,
  [`${kind}P99Ms`]: storm.p99Ms
})

/** CPU time of the server in ms. NaN when the server is not on this machine. */
function serverMs(product: Product): number {
  const { main, workers, helpers } = product.cpu()
  return (main ?? Number.NaN) + (workers ?? 0) + (helpers ?? 0)
}

/** Waits until the server reports no connections, at most 10 s. */
async function untilNobody(product: Product): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await sleep(100)
    const connected = (await product.metrics())?.values.get('chargelift_connections') ?? 0
    if (connected === 0) return
  }
}

async function idle(bench: Bench, fleet: Fleet, product: Product): Promise<Figures> {
  const { connections, seconds } = bench.settings
  await sleep(settleMs)
  const emptyBytes = product.rssBytes() ?? Number.NaN
  await fleet.open(64, false)
  await fleet.wait(settleMs / 1000, 'settling')
  const before = serverMs(product)
  await fleet.wait(seconds, 'idle')
  const { open, rssBytes } = await fleet.crew.tally()
  if (open < connections) throw new VerifyError([`${connections - open} of ${connections} connections were lost`])
  const fullBytes = product.rssBytes() ?? Number.NaN
  return defined({
    kbPerConnection: (fullBytes - emptyBytes) / 1_000 / connections,
    idleServerPercent: ((serverMs(product) - before) / (seconds * 1000)) * 100,
    serverRssMb: fullBytes / 1e6,
    generatorRssMb: rssBytes / 1e6
  })
}
