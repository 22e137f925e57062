// Tests the dashboard against a server with a week of history: the sessions page, its file and the charts of days. Also
// takes the pictures for README.md. IMAGES=write writes the pictures to docs/images.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import type { ProblemsAnswer, SessionsAnswer } from '../../src/model/api/api.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { envelope, Harness, until } from '../harness.ts'
import type { WireClient } from '../wire.ts'
import { launch, layoutShift, missing, phone, seriousViolations, visit } from './browserRig.ts'
import { seededChargers, seedHistory, timeZone } from './browserSeed.ts'

const imageFolder = fileURLToPath(new URL('../../docs/images/', import.meta.url))
const writesImages = process.env.IMAGES === 'write'

describe('dashboard with history', { skip: missing }, () => {
  const harness = Harness.use()
  let browser: Browser
  let server: RunningServer
  const url = (path: string): string => `http://127.0.0.1:${server.httpPort}${path}`
  const get = async <Answer>(path: string): Promise<Answer> => (await (await fetch(url(path))).json()) as Answer
  /** A moment in the seeded week. Its month holds at least three days of the week, whatever today is. */
  const within = Date.now() - 3 * 86_400_000
  const month = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit' }).format(within)
  const next = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 10)
  const range = `from=${month}-01&to=${next}`

  before(async () => {
    const databaseUrl = await harness.database()
    await harness.server(databaseUrl).then(first => first.stop()) // creates the tables
    const db = await harness.session(databaseUrl)
    await seedHistory(db, Date.now())
    server = await harness.server(databaseUrl)
    const names = seededChargers.map(({ name }) => name)
    await harness.device('site-edge', 'edge', names)
    const edge = await harness.client(server, 'site-edge', {})
    await publishNow(edge)
    // Waits until the whole history is derived, so that no session appears while pages are checked.
    const { rows } = await db.query<{ now: Date }>('SELECT now()')
    await until(
      () => db.query<{ done: boolean }>('SELECT derived_to > $1 AS done FROM history_state', [rows[0]!.now]),
      answer => answer.rows[0]!.done === true
    )
    const { sessions } = await get<SessionsAnswer>(`/api/v1/sessions?${range}&limit=1000`)
    assert.equal(new Set(sessions.map(({ charger }) => charger)).size, names.length)
    browser = await launch()
  })
  after(() => browser?.close())

  it('the sessions page sums up what the API has, by charger and by vehicle', async () => {
    const { sessions } = await get<SessionsAnswer>(`/api/v1/sessions?${range}&limit=1000`)
    const visited = await visit(browser, url(`/sessions?month=${month}`))
    const { page } = visited
    const shown = new Intl.NumberFormat('en-GB').format(sessions.length)
    await page.locator('[data-value="sessions"] dd', { hasText: shown }).waitFor()
    const chargers = new Set(sessions.map(({ charger }) => charger)).size
    const vehicles = new Set(sessions.map(({ vehicle }) => vehicle)).size
    await page.getByRole('button', { name: 'By charger' }).click()
    assert.equal(await page.locator('.list tbody tr').count(), chargers)
    await page.getByRole('button', { name: 'By vehicle' }).click()
    assert.equal(await page.locator('.list tbody tr').count(), vehicles)
    const kilowattHours = sessions.reduce((sum, { energyWh }) => sum + (energyWh ?? 0), 0) / 1000
    const digits = kilowattHours >= 1_000 ? 0 : kilowattHours >= 100 ? 1 : 2
    const energy = new Intl.NumberFormat('en-GB', { maximumFractionDigits: digits, minimumFractionDigits: digits })
    assert.match(
      await page.locator('[data-value="energy"] dd').first().innerText(),
      new RegExp(`^${energy.format(kilowattHours)} kWh`)
    )
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  it('the file of the CSV button is what the API exports', async () => {
    const visited = await visit(browser, url(`/sessions?month=${month}&charger=harbour-01`))
    const downloading = visited.page.waitForEvent('download')
    await visited.page.getByRole('link', { name: 'Download CSV' }).click()
    const download = await downloading
    assert.match(download.suggestedFilename(), /^chargelift-sessions-.*\.csv$/)
    const file = readFileSync(await download.path())
    const exported = await fetch(url(`/api/v1/export/sessions?${range}&charger=harbour-01&format=csv`))
    assert.equal(exported.status, 200)
    assert.deepEqual(file, Buffer.from(await exported.arrayBuffer()))
    const { sessions } = await get<SessionsAnswer>(`/api/v1/sessions?${range}&charger=harbour-01&limit=1000`)
    const lines = file.toString().trimEnd().split('\n').slice(1)
    assert.equal(lines.length, sessions.length)
    assert.ok(lines.every(line => line.includes('harbour-01')))
    await visited.close()
  })

  it('every span of the chart shows points, as power, current and energy', async () => {
    const visited = await visit(browser, url('/chargers/harbour-01'))
    const { page } = visited
    for (const kind of ['Power', 'Current', 'Energy']) {
      await page.getByRole('button', { name: kind, exact: true }).click()
      for (const span of ['1 h', '6 h', '24 h', '7 d', '30 d']) {
        await page.getByRole('button', { name: span, exact: true }).click()
        await page.locator('.chart-card[aria-busy="false"]').waitFor()
        const label = await page.locator('.chart .plot').getAttribute('aria-label')
        assert.match(
          label ?? '',
          new RegExp(`^${kind}: [\\d,]+ points, at most [1-9]|^${kind}: [\\d,]+ points, at most 0\\.\\d*[1-9]`),
          span
        )
      }
    }
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  it('a charger with a problem is found by it, and its page says what is wrong', async () => {
    const broken = seededChargers.filter(({ now }) => now === 'unscheduled_downtime').map(({ name }) => name)
    await until(
      () => get<ProblemsAnswer>('/api/v1/problems?condition=fault'),
      ({ problems }) => problems.length === broken.length
    )
    const visited = await visit(browser, url('/'))
    const { page } = visited
    await page.getByLabel('Filter by problem').selectOption('fault')
    await page.locator(`[aria-rowcount="${broken.length + 1}"]`).waitFor()
    await page.locator(`[data-charger="${broken[0]}"] .problem`, { hasText: 'Fault' }).waitFor()
    await page.locator(`[data-charger="${broken[0]}"] a`).click()
    await page.locator('.banner', { hasText: /^Fault since .{10,}/ }).waitFor()
    assert.deepEqual(visited.errors, [])
    await visited.close()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`axe finds no serious violation in full pages, and nothing jumps: ${colorScheme}`, async () => {
      const paths = [
        '/',
        '/chargers/harbour-01',
        `/sessions?month=${month}`,
        `/sessions?month=${month}&view=vehicle`,
        '/ingest'
      ]
      for (const path of paths) {
        for (const options of [{}, { viewport: phone, isMobile: true, hasTouch: true }]) {
          const visited = await visit(browser, url(path), { colorScheme, ...options })
          await visited.page.locator('[data-live="true"]').waitFor()
          await visited.page.locator('[data-charger], .list tbody tr').first().waitFor()
          assert.deepEqual(await seriousViolations(visited), [], path)
          const shift = await layoutShift(visited)
          assert.ok(shift.value < 0.1, `${path}: ${JSON.stringify(shift)}`)
          await visited.close()
        }
      }
    })
  }

  it('pictures of the pages, for README.md', async () => {
    if (writesImages) mkdirSync(imageFolder, { recursive: true })
    const shoot = async (name: string, path: string, options: object, ready: string, act = '0'): Promise<void> => {
      const visited = await visit(browser, url(path), options)
      await visited.page.locator('[data-live="true"]').waitFor()
      await visited.page.locator(ready).first().waitFor()
      await visited.page.evaluate(act)
      await visited.page.locator('[aria-busy="true"]').waitFor({ state: 'detached' })
      await visited.page.evaluate('document.fonts.ready.then(() => undefined)')
      const image = await visited.page.screenshot({
        ...(writesImages && { path: `${imageFolder}${name}.png` }),
        animations: 'disabled'
      })
      assert.ok(image.length > 10_000 && image.length < 150_000, `${name}: ${image.length} bytes`)
      assert.deepEqual(visited.errors, [], name)
      await visited.close()
    }
    const light = { colorScheme: 'light', viewport: { width: 1200, height: 720 } }
    const day = "[...document.querySelectorAll('.segment')].find(({ textContent }) => textContent === '24 h').click()"
    await shoot('fleet', '/', light, '.tr[data-charger="harbour-01"]')
    await shoot(
      'charger',
      '/chargers/harbour-01',
      { ...light, colorScheme: 'dark', viewport: { width: 1200, height: 860 } },
      '.list',
      day
    )
    await shoot(
      'phone',
      '/',
      { colorScheme: 'light', viewport: phone, isMobile: true },
      '.tr[data-charger="harbour-01"]'
    )
  })
})

/** Publishes the present state of each charger through its edge. */
async function publishNow(edge: WireClient): Promise<void> {
  const ids = seededChargers.flatMap(({ name, now, card }, i) => {
    const isCharging = now === 'charging'
    const watts = isCharging ? [10_910, 7_350, 10_870, 3_680, 21_800][i % 5]! : 0
    const values = {
      OperationState: now,
      PowerOutput: watts,
      ConnectedVehicle: isCharging ? card : '',
      MaximumOutputCurrent: i % 5 === 4 ? 32 : 16
    }
    const time = new Date().toISOString()
    return edge.publishAll(
      Object.entries(values).map(([value, content]) => [`chargers/${name}/${value}`, envelope(content, time)])
    )
  })
  await edge.acked(...ids)
}
