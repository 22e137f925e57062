// Runs a paced fleet without and with dashboards on chargers/#. Measures the cost of a subscriber per message, and the
// delay until the subscriber sees a message. Verifies the rows and the dashboards: no dashboard was cut, none saw time
// go back, and each ends with the newest values of the database.

import { setTimeout as sleep } from 'node:timers/promises'
import { encodeEnvelope } from '../../src/model/wire/envelope.ts'
import { topicOf } from '../../src/model/wire/topics.ts'
import { type Child, startChild } from '../load/calls.ts'
import { literalOf, unitsSql } from '../load/columns.ts'
import type { DashboardOptions } from '../load/dashboards.ts'
import { Histogram } from '../load/histogram.ts'
import type { PageOptions } from '../load/pages.ts'
import type { DashboardCalls, DashboardReport } from '../load/report.ts'
import type { Figures, Run } from '../report/result.ts'
import { defined, Fleet, measureRun, runOf } from '../rig/measure.ts'
import { type Expected, type Product, productName } from '../rig/product.ts'
import { VerifyError } from '../rig/verify.ts'
import type { Bench, Scenario } from './scenario.ts'

interface Watchers {
  readonly without: string
  /** Says which dashboards keep the newest value of every topic. */
  readonly knowing: string
  readonly open: (product: Product, expected: Expected, count: number) => Promise<Child<DashboardCalls>>
}

const overMqtt: Watchers = {
  without: `${productName}, no subscriber`,
  knowing: 'all',
  open({ address }, { names }, count) {
    const boards = Array.from({ length: count }, (_, i) => `${names.prefix}board-${String(i).padStart(4, '0')}`)
    const options: DashboardOptions = { ...address, names: boards }
    return startChild(new URL('../load/dashboards.ts', import.meta.url), options)
  }
}

const overHttp: Watchers = {
  without: `${productName}, no dashboard`,
  knowing: 'the first',
  open({ httpUrl }, _expected, count) {
    if (httpUrl === undefined)
      throw new Error('expected --metrics-url beside --server: dashboards are on the HTTP port')
    const options: PageOptions = { url: httpUrl, count }
    return startChild(new URL('../load/pages.ts', import.meta.url), options)
  }
}

export const subscribers: Scenario = {
  summary: 'dashboards on chargers/# beside a paced fleet: what each costs, and how soon it sees the news',
  defaults: { connections: 2_000, rate: 20_000, window: 256, subscribers: 1 },
  run: bench => run(bench, overMqtt)
}

export const dashboards: Scenario = {
  summary: 'dashboards in browsers (live events of the HTTP port) beside a paced fleet: what they cost the others',
  defaults: { connections: 2_000, rate: 5_000, window: 256, subscribers: 20 },
  run: bench => run(bench, overHttp)
}

async function run(bench: Bench, watchers: Watchers): Promise<void> {
  for (let repeat = 1; repeat <= bench.settings.repeats; repeat++) {
    const without = await measureWithout(bench, repeat, watchers.without)
    const expected = bench.expected()
    await bench.using(await bench.product(expected), product =>
      bench.attempt(productName, repeat, () =>
        watched(bench, product, expected, { repeat, alone: without?.figures.serverUs, watchers })
      )
    )
  }
}

async function measureWithout(bench: Bench, repeat: number, withoutName: string): Promise<Run | undefined> {
  const expected = bench.expected()
  return bench.using(await bench.product(expected), product =>
    bench.attempt(withoutName, repeat, async () => {
      const { run } = await measureRun(product, bench.load(expected), repeat, bench.progress)
      return { ...run, target: withoutName }
    })
  )
}

async function watched(
  bench: Bench,
  product: Product,
  expected: Expected,
  { repeat, alone, watchers }: { repeat: number; alone: number | undefined; watchers: Watchers }
): Promise<Run> {
  const { subscribers: count = 1, seconds } = bench.settings
  const dashboards = await watchers.open(product, expected, count)
  try {
    return await bench.withFleet(Fleet.connect(product, bench.load(expected), bench.progress), async fleet => {
      await fleet.start()
      const before = await dashboards.call('report')
      const measured = await fleet.measure(seconds)
      const after = await dashboards.call('report')
      const { verified } = await fleet.finish()
      await verifyDashboards(product, expected, dashboards)
      const { serverUs } = measured.figures
      const each = alone === undefined || serverUs === undefined ? undefined : (serverUs - alone) / count
      const news = newsFigures(before, after, count, seconds)
      const figures = { ...measured.figures, ...news, ...defined({ subscribersUs: each }) }
      const sentence = `${verified}; ${count} dashboards, none cut, ${watchers.knowing} with the newest of every topic at the end`
      return { ...runOf(productName, repeat, sentence, measured), figures }
    })
  } finally {
    dashboards.kill()
  }
}

function newsFigures(before: DashboardReport, after: DashboardReport, count: number, seconds: number): Figures {
  const latency = Histogram.of(after.latency)
  return defined({
    newsPerSecond: (after.received - before.received) / seconds / count,
    newsP50Ms: latency.atMs(0.5),
    newsP99Ms: latency.atMs(0.99)
  })
}

const deliveryTimeoutMs = 10_000

/**
 * Waits until the dashboards show the newest stored values. Throws VerifyError at the time limit, when a dashboard was
 * cut, or when time went back.
 */
async function verifyDashboards(
  product: Product,
  expected: Expected,
  dashboards: Child<DashboardCalls>
): Promise<void> {
  const newest = await newestStored(product, expected)
  for (const deadline = performance.now() + deliveryTimeoutMs; ; await sleep(100)) {
    const report = await dashboards.call('report')
    const behind = report.newest.reduce((sum, board) => sum + countBehind(newest, board), 0)
    const findings = [
      ...(report.closed > 0 ? [`${report.closed} dashboards were cut`] : []),
      ...(report.wentBack > 0 ? [`time went back ${report.wentBack} times`] : []),
      ...(behind > 0 ? [`${behind} topics of dashboards do not show what is stored as newest`] : [])
    ]
    if (findings.length === 0) return
    if (performance.now() > deadline || report.closed + report.wentBack > 0) throw new VerifyError(findings)
  }
}

const countBehind = (newest: ReadonlyMap<string, string>, board: ReadonlyMap<string, string>): number =>
  [...newest].filter(([topic, payload]) => board.get(topic) !== payload).length

/** The newest payload in the database, by topic. */
async function newestStored({ database }: Product, { names, columns }: Expected): Promise<Map<string, string>> {
  const units = columns.map((column, k) => `${unitsSql(column)} AS u${k}`).join(', ')
  const { rows } = await database.query<Record<string, number> & { name: string; ms: number }>(
    `SELECT DISTINCT ON (r.charger_id) c.name, round(date_part('epoch', r.time) * 1000)::float8 AS ms, ${units}
     FROM ev_readings r JOIN chargers c ON c.id = r.charger_id WHERE starts_with(c.name, $1)
     ORDER BY r.charger_id, r.time DESC`,
    [names.prefix]
  )
  return new Map(
    rows.flatMap(row =>
      columns.map((column, k) => {
        const value = JSON.parse(literalOf(column, row[`u${k}`]!)) as number | string
        return [topicOf(row.name, column.valueName), encodeEnvelope({ timeUs: row.ms * 1000, value })] as const
      })
    )
  )
}
