// Tests long and repeated backlogs: three weeks without a server, a million values, a database from a backup. All parts
// are real: an edge process, its disk, TLS, a server, and a database whose rows are counted and compared.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { diff, remember } from '../../src/edge/diff.ts'
import { type ChargerMemory, openSpool } from '../../src/edge/spool/spool.ts'
import { answer, json, startFakeCharger } from '../../src/edge/testing/fakeCharger.ts'
import { fillSpool } from '../../src/edge/testing/fillSpool.ts'
import { memoryFolder } from '../../src/edge/testing/folder.ts'
import type { ChargerValues } from '../../src/model/wire/chargerState.ts'
import type { RunningServer } from '../../src/server/server.ts'
import { EdgeProcess, quickName, writeEdgeConfig } from '../edgeProcess.ts'
import { Harness, until } from '../harness.ts'

const harness = Harness.use()
const patienceMs = 300_000
const hourMs = 3_600_000
const dayMs = 24 * hourMs

interface Answer {
  readonly ChgState: string
  readonly Uid: string
  readonly ChgDuration: number
  readonly ChgNrg: number
  readonly ActPwr: number
}

/** Starts a charger that answers with the values of `next`. Returns its address. */
async function charger(next: () => Answer): Promise<string> {
  const box = await startFakeCharger((socket, path) => {
    const reply = path.includes('/ChargeData') ? json({ ...next(), ActCurr: 16 }) : answer(404, '')
    reply(socket, path)
  })
  harness.onEnd(() => box.stop())
  return box.url
}

const spoolFolder = () => memoryFolder({ after: (end: () => void) => harness.onEnd(async () => end()) })

async function rowsOf(db: pg.Client, name: string): Promise<Record<string, unknown>[]> {
  const { rows } = await db.query(
    'SELECT ev_readings.* FROM ev_readings JOIN chargers ON chargers.id = charger_id WHERE name = $1 ORDER BY time',
    [name]
  )
  return rows
}

describe('replay after a restore: the database gets back what it had', { concurrency: 2 }, () => {
  /** Starts an edge with samples in the database. Its charger reports new values at every poll until `freeze`. */
  async function scene(prefix: string): Promise<{
    readonly name: string
    readonly server: RunningServer
    readonly db: pg.Client
    readonly url: string
    readonly edge: EdgeProcess
    readonly freeze: () => void
    readonly rows: () => Promise<Record<string, unknown>[]>
  }> {
    const name = quickName(prefix)
    await harness.device(name)
    const url = await harness.database()
    const server = await harness.server(url)
    let told = 0
    let frozen = false
    const box = await charger(() => {
      if (!frozen) told++
      return { ChgState: 'Charging', Uid: 'A1', ChgDuration: told, ChgNrg: told, ActPwr: 1_000 + told }
    })
    const config = writeEdgeConfig(harness, {
      name,
      brokerPort: server.mqttPorts[0]!,
      spool: join(harness.dir, `${name}.sqlite`),
      chargers: [{ name, url: box }]
    })
    const edge = new EdgeProcess(config, harness)
    edge.start()
    const db = await harness.session(url)
    const rows = () => rowsOf(db, name)
    await until(rows, stored => stored.length >= 60, patienceMs)
    const freeze = () => {
      frozen = true
    }
    return { name, server, db, url, edge, freeze, rows }
  }

  it('while the edge runs, and its new samples go on: from a time on', async () => {
    const { server, db, url, edge, freeze, rows } = await scene('replay-live')
    await server.stop()
    const before = await rows()
    const backup = before[20]!.time as Date
    await db.query('DELETE FROM ev_readings WHERE time > $1', [backup])
    await db.query('DELETE FROM latest_readings')
    await harness.server(url, { mqttPorts: server.mqttPorts })
    const isThere = new Set((await rows()).map(({ time }) => (time as Date).getTime()))
    assert.ok(isThere.size < before.length)
    assert.match(await edge.replay(backup.toISOString()), /^Noted: /)
    await until(rows, stored => hasAll(stored, before), patienceMs)
    freeze()
    assert.equal(await edge.end('SIGTERM'), 0)
    const after = await rows()
    assert.deepEqual(after.slice(0, before.length), before, 'every row as it was, once, in order')
    const powers = after.map(({ power_output }) => power_output)
    assert.deepEqual(
      powers,
      powers.map((_, i) => 1_001 + i),
      'nothing between is missing'
    )
    assert.equal(edge.count('replay'), 1)
  })

  it('while the edge is stopped, into a database that has lost everything', async () => {
    const { name, server, edge, rows } = await scene('replay-stopped')
    assert.equal(await edge.end('SIGTERM'), 0)
    const before = await rows()
    await server.stop()
    const emptyUrl = await harness.database()
    await harness.server(emptyUrl, { mqttPorts: server.mqttPorts })
    assert.match(await edge.replay('2026-01-01'), /2026-01-01T00:00:00.000Z/)
    edge.start()
    const db = await harness.session(emptyUrl)
    await until(
      () => rowsOf(db, name),
      stored => stored.length >= before.length,
      patienceMs
    )
    assert.equal(await edge.end('SIGTERM'), 0)
    const plain = (all: readonly Record<string, unknown>[]) => all.map(({ charger_id: _, ...row }) => row)
    assert.deepEqual(plain((await rowsOf(db, name)).slice(0, before.length)), plain(before))
  })

  const hasAll = (stored: readonly Record<string, unknown>[], wanted: readonly Record<string, unknown>[]): boolean => {
    const times = new Set(stored.map(({ time }) => (time as Date).getTime()))
    return wanted.every(({ time }) => times.has((time as Date).getTime()))
  }
})

/**
 * Four hours of charging a day, the last of them until now. The poll is every 10 s while the charger charges, and every
 * 30 s otherwise.
 */
class ThreeWeeks {
  readonly told: { readonly timeMs: number; readonly values: Partial<ChargerValues> }[] = []
  memory: ChargerMemory = { timeMs: 0, known: {} }

  spool(path: string, charger: string, endMs: number): void {
    const spool = openSpool({ path, maxBytes: 512 * 1024 * 1024 })
    const firstMs = endMs - 21 * dayMs
    let totalWh = 0
    let energyWh = 0
    for (let timeMs = firstMs; timeMs <= endMs; ) {
      const sinceMs = (timeMs - firstMs + 2 * hourMs) % dayMs
      const charges = sinceMs < 4 * hourMs
      const stepMs = charges ? 10_000 : 30_000
      if (sinceMs < stepMs) energyWh = 0
      if (charges) energyWh += 20
      if (charges) totalWh += 20
      const values: Partial<ChargerValues> = {
        OperationState: charges ? 'charging' : 'idle',
        TotalEnergyConsumption: totalWh,
        SessionEnergy: energyWh,
        PowerOutput: charges ? 7_200 + (timeMs % 97) : 0,
        MaximumOutputCurrent: 16,
        ConnectedVehicle: charges ? 'A1' : '',
        ChargerStatus: charges ? 'Charging' : 'Idle'
      }
      const changed = diff(this.memory.known, values, last => timeMs - last.timeMs, hourMs / 4)
      if (Object.keys(changed).length > 0) {
        const last = { energyWh, durationSeconds: Math.floor(sinceMs / 1_000), card: 'A1' }
        const known = remember(this.memory.known, changed, { timeMs })
        this.memory = { timeMs, known, energy: { totalWh, last, doubts: 0 } }
        spool.append({ charger, timeMs, values: changed }, this.memory)
        this.told.push({ timeMs, values: changed })
      }
      timeMs += stepMs
    }
    spool.close()
  }
}

const columns: Record<keyof ChargerValues, string> = {
  OperationState: 'operation_state',
  TotalEnergyConsumption: 'total_energy_consumption',
  SessionEnergy: 'session_energy',
  PowerOutput: 'power_output',
  OutputCurrent: 'output_current',
  MaximumOutputCurrent: 'maximum_output_current',
  ConnectedVehicle: 'connected_vehicle',
  ChargerStatus: 'charger_status'
}

it('three weeks without a server: every sample is stored once, in order, and the lifetime energy goes on', async t => {
  const name = quickName('three-weeks')
  await harness.device(name)
  const url = await harness.database()
  const server = await harness.server(url)
  const db = await harness.session(url)
  const weeks = new ThreeWeeks()
  const path = join(spoolFolder(), 'spool.sqlite')
  weeks.spool(path, name, Date.now())
  const { totalWh, last } = weeks.memory.energy!
  let gainedWh = 0
  let isFrozen = false
  const box = await charger(() => ({
    ChgState: 'Charging',
    Uid: 'A1',
    ChgDuration: last.durationSeconds! + gainedWh,
    ChgNrg: last.energyWh + (isFrozen ? gainedWh : ++gainedWh),
    ActPwr: 7_400
  }))
  const edge = new EdgeProcess(
    writeEdgeConfig(harness, {
      name,
      brokerPort: server.mqttPorts[0]!,
      spool: path,
      chargers: [{ name, url: box }],
      pollIntervalMs: 1_000
    }),
    harness
  )
  const startedMs = performance.now()
  edge.start()
  const count = async () => {
    await sleep(500)
    return (await rowsOf(db, name)).length
  }
  const liveTotals = async () =>
    (await rowsOf(db, name))
      .slice(weeks.told.length)
      .flatMap(row => (row.total_energy_consumption as number | null) ?? [])
  await until(count, stored => stored > weeks.told.length, patienceMs)
  t.diagnostic(`${weeks.told.length} samples in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`)
  isFrozen = true
  const newestTotal = async () => (await liveTotals()).at(-1)
  await until(newestTotal, total => total === totalWh + gainedWh, patienceMs)
  assert.equal(await edge.end('SIGTERM'), 0)
  const rows = await rowsOf(db, name)
  const spooled = rows.slice(0, weeks.told.length)
  assert.deepEqual(
    spooled.map(row => [(row.time as Date).getTime(), ...Object.values(columns).map(column => row[column])]),
    weeks.told.map(({ timeMs, values }) => [
      timeMs,
      ...Object.keys(columns).map(valueName => values[valueName as keyof ChargerValues] ?? null)
    ])
  )
  const live = await liveTotals()
  assert.equal(live.at(-1), totalWh + gainedWh, 'the counter goes on where the outage left it')
  assert.ok(live.every((total, i) => total > (live[i - 1] ?? totalWh)))
})

it('a million spooled values drain, and every one is stored once', async () => {
  const chargers = [1, 2, 3, 4].map(i => `million-${i}`)
  const samples = 62_500
  await harness.device('million', 'edge', chargers)
  const url = await harness.database()
  const server = await harness.server(url)
  const db = await harness.session(url)
  const path = join(spoolFolder(), 'spool.sqlite')
  const startMs = Date.now() - samples * 10_000
  for (const charger of chargers) {
    fillSpool(
      path,
      samples,
      i => ({
        TotalEnergyConsumption: 20 * i,
        SessionEnergy: i,
        PowerOutput: i % 11_000,
        OutputCurrent: (i % 160) / 10
      }),
      { timeMs: i => startMs + i * 10_000, charger }
    )
  }
  const box = await charger(() => ({ ChgState: 'Idle', Uid: '', ChgDuration: 1, ChgNrg: 1, ActPwr: 0 }))
  const edge = new EdgeProcess(
    writeEdgeConfig(harness, {
      name: 'million',
      brokerPort: server.mqttPorts[0]!,
      spool: path,
      chargers: chargers.map(name => ({ name, url: box })),
      pollIntervalMs: 10_000
    }),
    harness
  )
  edge.start()
  const stored = async () => {
    // Counting costs more than storing, so the test counts rarely.
    await sleep(500)
    const { rows } = await db.query(
      'SELECT count(*)::integer AS count FROM ev_readings WHERE output_current IS NOT NULL'
    )
    return rows[0].count
  }
  await until(stored, count => count >= chargers.length * samples, patienceMs)
  assert.equal(await edge.end('SIGTERM'), 0)
  const { rows } = await db.query(
    `SELECT name, count(*)::integer AS rows, sum(total_energy_consumption) AS wh FROM ev_readings
     JOIN chargers ON chargers.id = charger_id WHERE output_current IS NOT NULL GROUP BY name ORDER BY name`
  )
  assert.deepEqual(
    rows,
    chargers.map(name => ({ name, rows: samples, wh: 20 * ((samples * (samples + 1)) / 2) }))
  )
})
