// A fleet of 5,000 chargers on the fleet page: only rows in view are in the document, scrolling stays smooth while values
// come in, and search, filter, order and keyboard reach every one.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'
import { launch, missing, phone, type Visit, visit } from './browserRig.ts'

const count = 5_000
/** Chargers whose values change while the page is scrolled. */
const liveCount = 100
const framesPerSecondMin = 50
/** The machine may be busy with others: the best counts. */
const attempts = 20

describe('dashboard of a large fleet', { skip: missing }, () => {
  const harness = Harness.use()
  let browser: Browser
  let server: RunningServer
  let edge: WireClient
  const nameOf = (i: number): string => `box-${String(i).padStart(4, '0')}`

  before(async () => {
    const databaseUrl = await harness.database()
    await harness.server(databaseUrl).then(first => first.stop()) // the tables
    const db = await harness.session(databaseUrl)
    await db.query(
      `INSERT INTO chargers (name) SELECT 'box-' || lpad(i::text, 4, '0') FROM generate_series(1, $1::int) i`,
      [count]
    )
    await db.query(
      `INSERT INTO latest_readings (charger_id, name, time, value)
       SELECT chargers.id, given.name, now() - interval '1 minute', given.value
       FROM chargers CROSS JOIN LATERAL (VALUES
         ('OperationState', to_jsonb((ARRAY['idle', 'charging', 'idle', 'off', 'unscheduled_downtime'])[1 + id % 5])),
         ('PowerOutput', to_jsonb(CASE WHEN id % 5 = 1 THEN 3600 + id ELSE 0 END)),
         ('MaximumOutputCurrent', to_jsonb(16)),
         ('TotalEnergyConsumption', to_jsonb(1000 * id))) AS given (name, value)`
    )
    server = await harness.server(databaseUrl)
    await harness.device(
      'edge-1',
      'edge',
      Array.from({ length: liveCount }, (_, i) => nameOf(i + 1))
    )
    edge = await harness.client(server, 'edge-1')
    browser = await launch()
  })
  after(() => browser?.close())

  const open = async (options = {}): Promise<Visit> => {
    const visited = await visit(browser, `http://127.0.0.1:${server.httpPort}/`, options)
    await visited.page.locator(`[aria-rowcount="${count + 1}"]`).waitFor()
    await visited.page.locator('[data-live="true"]').waitFor()
    return visited
  }
  const rows = (visited: Visit): Promise<string[]> =>
    visited.page.locator('.table-body [role="row"]').evaluateAll(found => found.map(row => row.dataset.charger!))

  for (const [size, options] of [
    ['desktop', {}],
    ['phone', { viewport: phone }]
  ] as const) {
    it(`scrolls at ${framesPerSecondMin} frames a second or more while values come in: ${size}`, async context => {
      const visited = await open(options)
      let watts = 4_000
      const publishing = setInterval(() => {
        watts++
        edge.publishAll(
          Array.from({ length: 20 }, (_, i) => [
            `chargers/${nameOf(1 + ((watts * 20 + i) % liveCount))}/PowerOutput`,
            envelope(watts)
          ])
        )
      }, 100)
      const seen: number[] = []
      try {
        for (let attempt = 1; attempt <= attempts && Math.max(0, ...seen) < framesPerSecondMin; attempt++) {
          seen.push(await framesPerSecond(visited))
        }
      } finally {
        clearInterval(publishing)
      }
      context.diagnostic(`frames per second: ${seen.map(rate => rate.toFixed(1)).join(', ')}`)
      assert.ok(Math.max(...seen) >= framesPerSecondMin, `${seen}`)
      assert.ok((await rows(visited)).length < 60, 'only the rows in view are in the document')
      assert.deepEqual(visited.errors, [])
      await visited.close()
    })
  }

  it('search, filters and order reach every charger, and stay in the address', async () => {
    const visited = await open()
    const { page } = visited
    await page.getByLabel('Search chargers').fill('0042')
    await until(
      () => rows(visited),
      found => found.length === 1
    )
    assert.deepEqual(await rows(visited), ['box-0042'])
    await page.getByLabel('Search chargers').fill('')
    await page.getByRole('button', { name: /^Charging/ }).click()
    await page.getByRole('button', { name: /^Power/ }).click()
    await page.locator(`[aria-rowcount="${count / 5 + 1}"]`).waitFor()
    await until(
      () => rows(visited),
      found => found[0] === 'box-4996'
    )
    assert.match(page.url(), /\?state=charging&sort=power&order=descending$/)
    await page.reload()
    await until(
      () => rows(visited),
      found => found[0] === 'box-4996'
    )
    await visited.close()
  })

  it('arrow keys go from row to row, and the page scrolls along', async () => {
    const visited = await open()
    const { page } = visited
    await page.locator('a[data-index="0"]').focus()
    for (let i = 0; i < 40; i++) await page.keyboard.press('ArrowDown')
    assert.equal(await page.evaluate('document.activeElement.textContent'), nameOf(41))
    const box = await page.locator('a[data-index="40"]').boundingBox()
    assert.ok(box !== null && box.y > 100 && box.y < 800, JSON.stringify(box))
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/chargers/${nameOf(41)}`)
    await visited.close()
  })
})

/** Scrolls 1,500 pixels a second for three seconds, as a finger does, and counts frames by their own time stamps. */
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
