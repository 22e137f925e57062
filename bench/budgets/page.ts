// Measures the fleet page of 5,000 chargers in Chromium: the time until the page is open, the time until a published
// value shows, and the frames a second while the page scrolls and values arrive.

import type { Browser } from 'playwright-core'
import { temporaryFolder } from '../../src/edge/testing/folder.ts'
import { migrateDatabase } from '../../src/ingest/migrate.ts'
import { initAuthority } from '../../src/pki/authority/authority.ts'
import { issueDevice } from '../../src/pki/authority/devices.ts'
import { launch, missing, phone, type Visit, visit } from '../../test/full/browserRig.ts'
import { envelope } from '../../test/harness.ts'
import { WireClient } from '../../test/wire.ts'
import { median } from '../report/result.ts'
import { startProduct } from '../rig/product.ts'
import type { Bench } from '../scenarios/scenario.ts'
import { atLeast, atMost, type Budget } from './budget.ts'
import { type Ends, withEnds } from './ends.ts'

const chargers = 5_000
/** The number of chargers whose values change while the page scrolls. */
const liveCount = 100
const valuesPerTick = 20
const tickMs = 100
const openMsMax = 3_000
const shownMsMax = 1_000
const framesMin = 50
const opens = 5
/** The machine may be busy with other work, so the best attempt counts. */
const attempts = 5

export async function pageBudgets(bench: Bench): Promise<Budget[]> {
  if (missing) {
    bench.skipped.push(`the page: ${missing}`)
    return []
  }
  return withEnds(async ends => {
    const { url, edge } = await openFleet(bench, ends)
    const browser = await launch()
    ends.after(() => browser.close())
    bench.progress.show('budgets: the page')
    const openMs = await times(opens, async () => (await openPage(browser, url)).close())
    const desktop = await openPage(browser, url)
    const shownMs = await valuesShown(desktop, edge)
    const publishing = publishAll(edge)
    ends.after(() => clearInterval(publishing))
    const desktopFrames = await bestFrames(desktop)
    await desktop.close()
    const small = await openPage(browser, url, { viewport: phone })
    const phoneFrames = await bestFrames(small)
    await small.close()
    return [
      atMost('page: open, with 5,000 chargers', median(openMs), openMsMax, 'ms'),
      atMost('page: a published value shows', median(shownMs), shownMsMax, 'ms'),
      atLeast('page: scrolling, desktop', desktopFrames, framesMin, 'frames/s'),
      atLeast('page: scrolling, phone', phoneFrames, framesMin, 'frames/s')
    ]
  })
}

const nameOf = (i: number): string => `box-${String(i).padStart(4, '0')}`

async function openFleet(bench: Bench, ends: Ends): Promise<{ url: string; edge: WireClient }> {
  const database = await (await bench.databases()).fresh()
  await migrateDatabase(database.url)
  await database.query(insertChargers, [chargers])
  await database.query(insertLatest)
  const certs = temporaryFolder(ends)
  await initAuthority({ dir: certs })
  const names = Array.from({ length: liveCount }, (_, i) => nameOf(i + 1))
  await issueDevice({ dir: certs, name: 'edge-1', role: 'edge', chargers: names })
  const nobody = { names: { names: [], prefix: '' }, columns: [] }
  const product = await startProduct(database, { certs, workers: undefined }, nobody)
  ends.after(() => product.close())
  const edge = new WireClient({ certs, name: 'edge-1', port: product.address.port, clientId: 'edge-1' })
  ends.after(() => edge.destroy())
  await edge.connect()
  return { url: `${product.httpUrl}/`, edge }
}

async function openPage(browser: Browser, url: string, options = {}): Promise<Visit> {
  const visited = await visit(browser, url, options)
  await visited.page.locator(`[aria-rowcount="${chargers + 1}"]`).waitFor()
  await visited.page.locator('[data-live="true"]').waitFor()
  return visited
}

/** The duration of each call of `work`, in ms. */
async function times(count: number, work: (i: number) => Promise<unknown>): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < count; i++) {
    const startedMs = performance.now()
    await work(i)
    found.push(performance.now() - startedMs)
  }
  return found
}

const valuesShown = ({ page }: Visit, edge: WireClient): Promise<number[]> =>
  times(opens, async i => {
    const watts = 1_110 * (i + 1)
    edge.publish(`chargers/${nameOf(1)}/PowerOutput`, envelope(watts))
    const shown = (watts / 1_000).toFixed(2)
    await page.locator(`[data-charger="${nameOf(1)}"] .c-power`, { hasText: shown }).waitFor()
  })

function publishAll(edge: WireClient): NodeJS.Timeout {
  let watts = 4_000
  return setInterval(() => {
    watts++
    edge.publishAll(
      Array.from({ length: valuesPerTick }, (_, i) => [
        `chargers/${nameOf(1 + ((watts * valuesPerTick + i) % liveCount))}/PowerOutput`,
        envelope(watts)
      ])
    )
  }, tickMs)
}

async function bestFrames(visited: Visit): Promise<number> {
  let best = 0
  for (let attempt = 1; attempt <= attempts && best < framesMin; attempt++) {
    best = Math.max(best, await framesPerSecond(visited))
  }
  return best
}

/** Scrolls 1,500 pixels a second for three seconds, as a finger does. Counts the frames by their own time stamps. */
const framesPerSecond = ({ page }: Visit): Promise<number> =>
  page.evaluate<number>(`new Promise(resolve => {
    const durationMs = 3000
    scrollTo(0, 0)
    requestAnimationFrame(first => {
      const startMs = performance.now()
      let frames = 0
      const step = () => {
        frames++
        const elapsedMs = performance.now() - startMs
        scrollTo(0, elapsedMs * 1.5)
        if (elapsedMs < durationMs) requestAnimationFrame(step)
        else resolve(frames / elapsedMs * 1000)
      }
      requestAnimationFrame(step)
    })
  })`)

const insertChargers = `
  INSERT INTO chargers (name) SELECT 'box-' || lpad(i::text, 4, '0') FROM generate_series(1, $1::int) i`

const insertLatest = `
  INSERT INTO latest_readings (charger_id, name, time, value)
  SELECT chargers.id, given.name, now() - interval '1 minute', given.value
  FROM chargers CROSS JOIN LATERAL (VALUES
    ('OperationState', to_jsonb((ARRAY['idle', 'charging', 'idle', 'off', 'unscheduled_downtime'])[1 + id % 5])),
    ('PowerOutput', to_jsonb(CASE WHEN id % 5 = 1 THEN 3600 + id ELSE 0 END)),
    ('MaximumOutputCurrent', to_jsonb(16)),
    ('TotalEnergyConsumption', to_jsonb(1000 * id))) AS given (name, value)`
