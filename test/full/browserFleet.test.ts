// Tests a fleet of 5,000 chargers on the fleet page. The document holds only the rows in view, also while the page is
// scrolled and values arrive. Search, filter, order and keyboard reach every charger. `npm run bench -- budgets` counts
// the frames.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'
import { launch, missing, phone, type Visit, visit } from './browserRig.ts'

const count = 5_000
/** The number of chargers whose values change while the page is scrolled. */
const liveCount = 100
const rowHeightsPerStep = 40

describe('dashboard of a large fleet', { skip: missing }, () => {
  const harness = Harness.use()
  let browser: Browser
  let server: RunningServer
  let edge: WireClient
  const nameOf = (i: number): string => `box-${String(i).padStart(4, '0')}`

  before(async () => {
    const databaseUrl = await harness.database()
    await harness.server(databaseUrl).then(first => first.stop()) // creates the tables
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
    it(`has only the rows in view in the document while it is scrolled and values come in: ${size}`, async () => {
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
      try {
        assert.equal((await rows(visited))[0], nameOf(1))
        for (let step = 1; step <= 10; step++) {
          await visited.page.evaluate(
            `scrollTo(0, ${step} * ${rowHeightsPerStep} * document.querySelector('.table-body [role="row"]').offsetHeight)`
          )
          await until(
            () => rows(visited),
            found => found.includes(nameOf(step * rowHeightsPerStep))
          )
          assert.ok((await rows(visited)).length < 60, 'only the rows in view are in the document')
        }
      } finally {
        clearInterval(publishing)
      }
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
