// Tests exports. Every row occurs once. HTTP and the command line give the same text. The memory does not grow with the
// number of rows.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { kindOfQuarterHours, refreshQuarterHours } from '../../src/history/derive/quarterHours.ts'
import { Zone } from '../../src/history/zone.ts'
import { makePartitions } from '../../src/ingest/migrate.ts'
import type { ChargersAnswer } from '../../src/model/api/api.ts'
import { exportsMax } from '../../src/server/http/api/limits.ts'
import { Harness, until } from '../harness.ts'
import { type Fleet, openFleet } from './apiRig.ts'

const harness = Harness.use()
let f: Fleet
let ready: Promise<void> | undefined
beforeEach(() => {
  ready ??= setUp()
  return ready
})

const sessionsCount = 200_000
const readingsCount = 300_000

async function setUp(): Promise<void> {
  f = await openFleet(harness)
  await f.db.query("INSERT INTO sites (id, name, time_zone) VALUES (1, 'Hof Süd', 'Europe/Berlin')")
  await f.db.query(
    "INSERT INTO chargers (id, name, site) SELECT i, 'c' || lpad(i::text, 3, '0'), CASE WHEN i % 2 = 0 THEN 1 END FROM generate_series(1, 104) i"
  )
  await f.db.query("INSERT INTO cards (uid, label, person) VALUES ('=CARD', 'Van, blue', 'Ada \"A\" Müller')")
  await f.db.query(
    `INSERT INTO charging_sessions (charger, charger_id, started_at, ended_at, energy_wh, peak_power_w, vehicle, interruptions,
      meter_start_wh, meter_end_wh, estimated, charged_until, cost_amount, currency, quarter_milli_wh, decided_at)
    SELECT name, id, start, start + interval '10 minutes', i, 7000, '=CARD', 0, i, i + 1, false, start, 0.3, 'EUR', '{}', start
    FROM (SELECT i, 1 + i % 100 AS charger, timestamptz '2026-01-01Z' + (i / 100) * interval '1 hour' AS start
          FROM generate_series(0, ${sessionsCount} - 1) i) s
    JOIN chargers ON id = charger`
  )
  await makePartitions(f.db as never)
  await f.db.query(
    `INSERT INTO ev_readings (charger_id, time, power_output, total_energy_consumption, connected_vehicle)
     SELECT 101 + i % 4, timestamptz '2026-06-01Z' + (i / 4) * interval '30 seconds', i % 11000, i / 4, '=CARD'
     FROM generate_series(0, ${readingsCount} - 1) i`
  )
  await f.db.query('ANALYZE')
  const range = { fromMs: Date.parse('2026-06-01T00:00Z'), toMs: Date.parse('2026-07-10T00:00Z') }
  const ranges = [101, 102, 103, 104].map(chargerId => ({ chargerId, ...range }))
  await refreshQuarterHours(f.db, await kindOfQuarterHours(f.db), ranges, Date.now())
  await until(
    () => f.get<ChargersAnswer>('/api/v1/chargers'),
    ({ chargers }) => chargers.length === 104
  )
}

/** Runs the command with a heap that is too small for all rows or their text. Returns its output. */
async function command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=36', 'src/cli.ts', 'export', ...args, '--database-url', f.databaseUrl],
    { stdio: ['ignore', 'pipe', 'pipe'] }
  )
  const chunks: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', chunk => chunks.push(chunk))
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const code = await new Promise<number>(resolve => child.once('close', found => resolve(found ?? -1)))
  return { code, stdout: Buffer.concat(chunks).toString(), stderr }
}

test('every session is in the file once, in memory that does not grow with their number', async () => {
  const all = await command('sessions', '--from', '2025-12-31T00:00:00Z', '--to', '2026-12-31')
  assert.deepEqual([all.code, all.stderr], [0, ''])
  const lines = all.stdout.split('\r\n')
  assert.equal(lines.pop(), '')
  // The sessions of c101 and above are derived from the readings below.
  assert.equal(lines.filter(line => /^c(0|100,)/.test(line)).length, sessionsCount)
  assert.equal(new Set(lines).size, lines.length)
  assert.match(lines[0]!, /^\ufeffCharger,Site,Started,Ended,Time zone,Energy \(kWh\),Peak power \(kW\),Card,/)
  const one = lines.find(line => line.startsWith('c002,'))!
  assert.match(
    one,
    /^c002,Hof Süd,2026-\d\d-\d\dT\d\d:\d\d:00[.]000[+]0[12]:00,.*,Europe\/Berlin,[\d.]+,7,'=CARD,"Van, blue","Ada ""A"" Müller",0,/
  )
})

test('the file over HTTP is the same, masked for a viewer', async () => {
  const query = 'from=2026-02-01&to=2026-02-08&site=Hof%20S%C3%BCd'
  const response = await f.ask(`/api/v1/export/sessions?${query}`, 'billing')
  assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8')
  assert.equal(
    response.headers.get('content-disposition'),
    'attachment; filename="chargelift-sessions-2026-02-01-2026-02-08.csv"'
  )
  const text = Buffer.from(await response.arrayBuffer()).toString()
  const { stdout } = await command('sessions', '--from', '2026-02-01', '--to', '2026-02-08', '--site', 'Hof Süd')
  assert.equal(text, stdout)
  assert.equal(text.split('\r\n').length, 2 + 7 * 24 * 50)
  for (const kind of ['sessions', 'readings']) {
    const range = kind === 'sessions' ? query : 'from=2026-06-01&to=2026-06-02'
    for (const format of ['csv', 'json']) {
      const seen = await (await f.ask(`/api/v1/export/${kind}?${range}&format=${format}`, 'viewer')).text()
      assert.match(seen, /[*]{3}/)
      assert.doesNotMatch(seen, /CARD|Van|Ada/)
    }
  }
})

test('readings are all in the file, a page at a time, in memory that does not grow', async () => {
  const all = await command('readings', '--from', '2026-06-01T00:00:00Z', '--to', '2026-12-01', '--format', 'json')
  assert.deepEqual([all.code, all.stderr], [0, ''])
  const rows = JSON.parse(all.stdout) as { charger: string; time: string; PowerOutput: number; OutputCurrent: null }[]
  assert.equal(rows.length, readingsCount)
  const { charger, time, PowerOutput, OutputCurrent } = rows.at(-1)!
  assert.deepEqual(
    [charger, time, PowerOutput, OutputCurrent],
    [
      'c104',
      new Zone('Europe/Berlin').format((Date.parse('2026-06-01T00:00Z') + (readingsCount / 4 - 1) * 30_000) * 1000),
      (readingsCount - 1) % 11_000,
      null
    ]
  )
})

test('energy by month is the same over HTTP, on the command line, and in the quarter hours', async () => {
  const { stdout } = await command(
    'energy',
    '--from',
    '2026-06-01',
    '--to',
    '2026-08-01',
    '--resolution',
    '1mo',
    '--format',
    'json'
  )
  const rows = JSON.parse(stdout) as { charger: string; energyWh: number }[]
  assert.equal(
    rows.filter(({ charger }) => charger === 'c101').reduce((sum, { energyWh }) => sum + energyWh, 0),
    readingsCount / 4 - 1
  )
  const http = await f.ask('/api/v1/export/energy?from=2026-06-01&to=2026-08-01&resolution=1mo&format=json')
  assert.deepEqual(await http.json(), rows)
  const days = await (
    await f.ask('/api/v1/export/energy?from=2026-06-01&to=2026-06-02&separator=semicolon&charger=c101')
  ).text()
  assert.match(
    days,
    /^\ufeffCharger;Site;Time;Time zone;Energy \(kWh\);Mean power \(kW\);Peak power \(kW\)\r\nc101;;2026-06-01T00:00:00.000[+]00:00;UTC;2,8\d+;0,\d+;11\r\n$|10,\d+/
  )
})

test('a closed month is exported as it was closed', async () => {
  await f.db.query(
    "INSERT INTO month_statements (site, month, closed_at, forced, content, sha256) VALUES ('Hof Süd', '2026-01-01', now(), false, '{}', repeat('a', 64))"
  )
  await f.db.query(
    `INSERT INTO month_lines (statement_id, line, kind, of_month, charger, started_at, ended_at, vehicle, energy_wh, amount, currency)
     SELECT 1, i, 'session', '2026-01-01', 'c002', timestamptz '2026-01-05Z' + i * interval '1 minute', timestamptz '2026-01-06Z', '=CARD', 1000.5, 0.3, 'EUR'
     FROM generate_series(1, 4500) i`
  )
  const { stdout, code } = await command('month', '--from', '2026-01-01', '--to', '2026-02-01', '--format', 'json')
  assert.equal(code, 0)
  const rows = JSON.parse(stdout) as { energyWh: number; startedAt: string }[]
  assert.equal(rows.length, 4_500)
  assert.deepEqual([rows[0]!.energyWh, rows[0]!.startedAt], [1000.5, '2026-01-05T01:01:00.000+01:00'])
  const other = await command('month', '--from', '2026-02-01', '--to', '2026-03-01', '--format', 'json')
  assert.deepEqual(JSON.parse(other.stdout), [])
})

test('a file is there when it is complete, and what is asked wrongly is told at once', async () => {
  const path = join(harness.dir, 'sessions.csv')
  const done = await command('sessions', '--from', '2026-01-01', '--to', '2026-01-02', '--output', path)
  assert.deepEqual([done.code, done.stdout, done.stderr], [0, '', ''])
  assert.equal(readFileSync(path, 'utf8').split('\r\n').length, 2 + 50 * 24 + 50 * 23)
  const wrong = await command('tea', '--to', 'noon', '--format', 'xls', '--resolution', '1d')
  assert.equal(wrong.code, 78)
  for (const fault of [
    /Unknown command export tea\. Expected sessions, readings, energy or month\./,
    /--from: expected a day/,
    /--to: expected/,
    /--format: expected csv.json/
  ]) {
    assert.match(wrong.stderr, fault)
  }
  const nobody = await command('sessions', '--from', '2026-01-01', '--charger', 'nobody')
  assert.match(nobody.stderr, /--charger: expected a charger of the database, found "nobody"/)
})

const noScript = spawnSync('script', ['--version']).error && 'needs script: apt-get install bsdutils'
test('a terminal shows how far it is, on standard error', { skip: noScript }, async () => {
  const path = join(harness.dir, 'terminal.json')
  const flags = `--from 2026-01-01T00:00:00Z --to 2026-01-04T00:00:00Z --format json --output ${path}`
  const line = `${process.execPath} src/cli.ts export sessions ${flags} --database-url '${f.databaseUrl}'`
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let shown = ''
  child.stdout.on('data', chunk => {
    shown += chunk
  })
  assert.equal(await new Promise(resolve => child.once('close', resolve)), 0)
  assert.match(shown, /sessions: 7,200 rows\r?\n$/)
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).length, 7_200)
})

test('who does not read on holds no connection, and more than a few at once are refused', async () => {
  const open = await Promise.all(
    Array.from({ length: exportsMax }, () => f.ask('/api/v1/export/sessions?from=2026-01-01&to=2026-12-31'))
  )
  const refused = await f.ask('/api/v1/export/sessions?from=2026-01-01')
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5'])
  assert.equal((await f.ask('/api/v1/sessions?from=2026-01-01&to=2026-01-02')).status, 200)
  const busy = `SELECT count(*)::integer AS count FROM pg_stat_activity
    WHERE application_name = 'chargelift reader' AND datname = current_database() AND state <> 'idle'`
  await until(
    async () => (await f.db.query(busy)).rows[0].count,
    count => count === 0
  )
  for (const response of open) await response.body!.cancel()
  const again = await until(
    () => f.ask('/api/v1/export/sessions?from=2026-01-01&to=2026-01-02'),
    ({ status }) => status === 200
  )
  await again.text()
})
