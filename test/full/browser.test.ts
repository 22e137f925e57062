// Tests the dashboard in a real browser against a real server. The page shows what is published. It finds a restarted
// server again. No error occurs in the page.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import type { Browser } from 'playwright-core'
import { addToken, revokeToken } from '../../src/server/access/tokens.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'
import { desktop, launch, missing, phone, seriousViolations, type Visit, visit } from './browserRig.ts'

describe('dashboard', { skip: missing }, () => {
  const harness = Harness.use()
  let browser: Browser
  let databaseUrl = ''
  let server: RunningServer
  let edge: WireClient
  const charger = 'wallbox-1'
  const url = (path: string): string => `http://127.0.0.1:${server.httpPort}${path}`
  const publish = async (name: string, value: unknown): Promise<void> => {
    await edge.acked(edge.publish(`chargers/${charger}/${name}`, envelope(value)))
  }
  const textOf = (visited: Visit, selector: string): Promise<string> =>
    visited.page.locator(selector).first().innerText({ timeout: 20_000 })
  /** Waits for the plot and returns its box. The chart is drawn again when other points are requested. */
  const plotOf = async ({ page }: Visit) =>
    (await until(
      () => page.locator('.u-over').boundingBox(),
      box => box !== null
    ))!
  const powerOnFleet = `[data-charger="${charger}"] .c-power`

  before(async () => {
    databaseUrl = await harness.database()
    await harness.device(charger)
    server = await harness.server(databaseUrl)
    edge = await harness.client(server, charger)
    await publish('OperationState', 'charging')
    await publish('PowerOutput', 7_200)
    browser = await launch()
  })
  after(() => browser?.close())

  it('every published value shows on the fleet page, without the page being loaded again', async () => {
    const visited = await visit(browser, url('/'))
    await until(
      () => textOf(visited, powerOnFleet),
      text => text.startsWith('7.20')
    )
    await visited.page.locator('[data-live="true"]').waitFor()
    for (const watts of [1_110, 2_220, 3_330, 4_440, 5_550]) {
      const shown = (watts / 1000).toFixed(2)
      edge.publish(`chargers/${charger}/PowerOutput`, envelope(watts))
      await until(
        () => textOf(visited, powerOnFleet),
        text => text.startsWith(shown)
      )
    }
    assert.ok(await visited.isSamePage())
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  it('a server that is started again is found again, without the page being loaded again', async () => {
    const { httpPort, mqttPorts } = server
    const visited = await visit(browser, url('/'))
    await visited.page.locator('[data-live="true"]').waitFor()
    await server.stop()
    await until(
      () => textOf(visited, '.stale'),
      text => text.includes('No live data since')
    )
    server = await harness.server(databaseUrl, { httpPort, mqttPorts: [mqttPorts[0]!] })
    edge = await harness.client(server, charger)
    await publish('PowerOutput', 6_600)
    await visited.page.locator('[data-live="true"]').waitFor()
    await until(
      () => textOf(visited, powerOnFleet),
      text => text.startsWith('6.60')
    )
    assert.equal(await visited.page.locator('.stale').innerText(), '')
    assert.ok(await visited.isSamePage())
    // The browser reports each request that found no server, or that was under way when the server stopped. These
    // errors are expected.
    assert.deepEqual(
      visited.errors.filter(error => !error.startsWith('Failed to load resource')),
      []
    )
    await visited.close()
  })

  it('the chart has the points that the database has', async () => {
    const db = await harness.session(databaseUrl)
    for (const watts of [1_000, 3_000, 2_000]) await publish('PowerOutput', watts)
    const visited = await visit(browser, url(`/chargers/${charger}`))
    const { page } = visited
    const { rows } = await db.query<{ count: number; last: number }>(
      `SELECT count(*)::int AS count, (array_agg(power_output ORDER BY time DESC) FILTER (WHERE power_output IS NOT NULL))[1] AS last
       FROM ev_readings JOIN chargers ON chargers.id = charger_id WHERE name = $1 AND time > now() - interval '1 hour'`,
      [charger]
    )
    const { count, last } = rows[0]!
    assert.ok(count >= 3)
    await page.locator(`figure[data-points="${count}"]`).waitFor()
    const plot = await plotOf(visited)
    await page.mouse.move(plot.x + plot.width - 1, plot.y + 20)
    const read = await until(
      () => textOf(visited, '.chart-read'),
      text => text.includes('kW')
    )
    assert.match(read, new RegExp(`·\\s+${(last / 1000).toFixed(2)} kW\\s+·\\s+Charging$`))
    await publish('PowerOutput', 4_000)
    await page.locator(`figure[data-points="${count + 1}"]`).waitFor({ timeout: 30_000 })
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  it('dragging over the chart zooms in, and more detail is asked for', async () => {
    const visited = await visit(browser, url(`/chargers/${charger}`))
    const { page } = visited
    await page.getByRole('button', { name: '7 d' }).click()
    await page.locator('.chart-card[aria-busy="false"]').waitFor()
    const plot = await plotOf(visited)
    const finer = page.waitForRequest(request => request.url().includes('/readings') && request.url().includes('=1m'))
    await page.mouse.move(plot.x + plot.width - 60, plot.y + 50)
    await page.mouse.down()
    await page.mouse.move(plot.x + plot.width - 10, plot.y + 60, { steps: 4 })
    await page.mouse.up()
    await finer
    await page.getByRole('button', { name: 'Reset zoom' }).click()
    await page.getByRole('button', { name: 'Reset zoom', disabled: true }).waitFor()
    await visited.close()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [size, viewport] of Object.entries({ desktop, phone })) {
      it(`axe finds no serious violation: ${colorScheme}, ${size}`, async () => {
        for (const path of ['/', `/chargers/${charger}`, '/sessions', '/ingest']) {
          const visited = await visit(browser, url(path), { colorScheme, viewport })
          await visited.page.locator('[data-live="true"]').waitFor()
          assert.deepEqual(await seriousViolations(visited), [], path)
          await visited.close()
        }
      })
    }
  }

  it('the ingest page tells what was rejected, and why', async () => {
    const visited = await visit(browser, url('/ingest'))
    await visited.page.locator('[data-live="true"]').waitFor()
    await publish('PowerOutput', 'much')
    await visited.page.locator('[data-value="rejected"] dd', { hasText: /^1$/ }).first().waitFor()
    await visited.page.locator('.card', { hasText: 'Rejected, by reason' }).locator('tbody tr').first().waitFor()
    await visited.page.locator('.banner', { hasText: 'The database answers' }).waitFor()
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  it('a browser that is nobody signs in with a token, sees no card ids as a viewer, and is asked again when it ends', async () => {
    await publish('ConnectedVehicle', '04A2B3C4D5E680')
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
    const token = await addToken(pool, { name: 'tablet', role: 'viewer', expiresAt: undefined })
    try {
      await until(
        () => fetch(url('/')),
        ({ status }) => status === 401
      )
      const visited = await visit(browser, url(`/chargers/${charger}`))
      const { page } = visited
      assert.deepEqual(await seriousViolations(visited), [])
      await page.getByLabel('Token').fill(token!)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.waitForURL(`**/chargers/${charger}`)
      await page.locator('[data-live="true"]').waitFor()
      await until(
        () => textOf(visited, '[data-value="ConnectedVehicle"] dd'),
        text => text === 'connected'
      )
      assert.ok(!(await page.content()).includes('04A2B3C4D5E680'))
      await revokeToken(pool, 'tablet')
      await page.waitForURL('**/sign-in?next=*')
      await visited.close()
    } finally {
      await pool.end()
    }
  })
})
