// Tests the lifetime energy in the table, whatever happens to the edge, its disk and the meter. All parts are real:
// edge processes, their disks, TLS, a server, a database.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type pg from 'pg'
import { answer, type FakeCharger, json, startFakeCharger } from '../../src/edge/testing/fakeCharger.ts'
import { EdgeProcess, quickName, writeEdgeConfig } from '../edgeProcess.ts'
import { Harness, until } from '../harness.ts'

const harness = Harness.use()
const patienceMs = 60_000

interface Scene {
  readonly box: FakeCharger
  readonly db: pg.Client
  /** Starts an edge with a separate disk. A new name of a disk means a new Pi. */
  edge(disk: string, ...flags: string[]): EdgeProcess
  /** The stored totals, in the order of time. */
  totals(): Promise<number[]>
  totalIs(wh: number): Promise<unknown>
}

async function scene(prefix: string, driver: string): Promise<Scene> {
  const name = quickName(prefix)
  await harness.device(name)
  const url = await harness.database()
  const server = await harness.server(url)
  const db = await harness.session(url)
  const box = await startFakeCharger(answer(503, ''))
  harness.onEnd(() => box.stop())
  const totals = async () => {
    const { rows } = await db.query(
      `SELECT total_energy_consumption AS total FROM ev_readings JOIN chargers ON chargers.id = charger_id
       WHERE name = $1 AND total_energy_consumption IS NOT NULL ORDER BY time`,
      [name]
    )
    return rows.map(({ total }) => total)
  }
  return {
    box,
    db,
    edge: (disk, ...flags) => {
      const spool = join(harness.dir, disk, 'spool.sqlite')
      const setup = { name, brokerPort: server.mqttPorts[0]!, spool, chargers: [{ name, url: box.url }], driver }
      const edge = new EdgeProcess(writeEdgeConfig(harness, setup), harness, flags)
      edge.start()
      return edge
    },
    totals,
    totalIs: wh => until(totals, all => all.at(-1) === wh, patienceMs)
  }
}

function neverFalls(totals: readonly number[]): void {
  assert.deepEqual(
    totals,
    [...totals].sort((a, b) => a - b)
  )
}

describe('a charger that counts its sessions', () => {
  interface Session {
    readonly nrg: number
    readonly seconds: number
    readonly card?: string
    readonly serial?: string
  }
  const shows = ({ box }: Scene, { nrg, seconds, card = 'A1', serial = '1' }: Session) => {
    const data = { ChgState: 'Charging', Uid: card, ChgDuration: seconds, ChgNrg: nrg, ActPwr: 7_000, ActCurr: 16 }
    box.reply = (socket, path) => {
      const isData = path.includes('/ChargeData')
      const reply = isData ? json(data) : path.includes('/DevInfo') ? json({ Sn: serial }) : answer(404, '')
      reply(socket, path)
    }
  }

  it('a Pi swapped in mid-session goes on from what the server had, and counts what passed meanwhile', async () => {
    const s = await scene('swapped', 'mennekes-amtron')
    shows(s, { nrg: 1_000, seconds: 60 })
    const first = s.edge('first')
    await s.totalIs(1_000)
    shows(s, { nrg: 20, seconds: 2 })
    await s.totalIs(1_020)
    await first.end('SIGKILL')
    shows(s, { nrg: 45, seconds: 4 })
    const second = s.edge('second')
    await s.totalIs(1_045)
    assert.equal(second.count('energy_seeded'), 1)
    shows(s, { nrg: 70, seconds: 6 })
    await s.totalIs(1_070)
    // Then the memory card dies between two sessions.
    await second.end('SIGKILL')
    rmSync(join(harness.dir, 'second'), { recursive: true })
    shows(s, { nrg: 5, seconds: 1, card: 'B2' })
    const third = s.edge('second')
    await s.totalIs(1_075)
    assert.equal(await third.end('SIGTERM'), 0)
    neverFalls(await s.totals())
    assert.equal((await s.db.query('SELECT 1 FROM rejected_messages')).rowCount, 0)
  })

  it('--energy-start-wh begins a new Pi there, once; an edge that knows the charger keeps to what it knows', async () => {
    const s = await scene('started', 'mennekes-amtron')
    shows(s, { nrg: 100, seconds: 60 })
    const edge = s.edge('disk', '--energy-start-wh', '50000.5')
    await s.totalIs(50_000.5)
    shows(s, { nrg: 130, seconds: 62 })
    await s.totalIs(50_030.5)
    assert.equal(await edge.end('SIGTERM'), 0)
    shows(s, { nrg: 140, seconds: 63 })
    const again = s.edge('disk', '--energy-start-wh', '1')
    await s.totalIs(50_040.5)
    assert.equal(again.count('energy_start_ignored'), 1)
    assert.equal(await again.end('SIGTERM'), 0)
  })

  it('another serial number publishes nothing until --accept-serial; then the total goes on, and one start is enough', async () => {
    const s = await scene('replaced', 'mennekes-amtron')
    shows(s, { nrg: 300, seconds: 60 })
    const edge = s.edge('disk')
    await s.totalIs(300)
    assert.equal(await edge.end('SIGTERM'), 0)
    const other = { nrg: 9_000, seconds: 600, serial: '2' }
    shows(s, other)
    const refusing = s.edge('disk')
    await until(
      () => refusing.lines.find(({ event, fault }) => event === 'poll_failed' && fault === 'wrong_serial'),
      line => line !== undefined,
      patienceMs
    )
    await until(
      async () => (await s.db.query('SELECT status FROM edge_status')).rows[0],
      row => JSON.stringify(row).includes('wrong_serial'),
      patienceMs
    )
    assert.equal(await refusing.end('SIGTERM'), 0)
    assert.equal((await s.totals()).at(-1), 300)
    const accepting = s.edge('disk', '--accept-serial')
    await until(
      () => accepting.count('charger_serial_accepted'),
      count => count === 1,
      patienceMs
    )
    shows(s, { ...other, nrg: 9_010, seconds: 610 })
    await s.totalIs(310)
    assert.equal(await accepting.end('SIGTERM'), 0)
    shows(s, { ...other, nrg: 9_025, seconds: 620 })
    const later = s.edge('disk')
    await s.totalIs(325)
    assert.equal(await later.end('SIGTERM'), 0)
    neverFalls(await s.totals())
  })
})

describe('a charger with a lifetime meter', () => {
  /** The charger answers with these meter values in Wh from now on, one at each poll. The last value stays. */
  const meters = ({ box }: Scene, ...wh: number[]): void => {
    box.reply = (socket, path) => {
      const meter = wh.length > 1 ? wh.shift() : wh[0]
      const lines = `conn_state:vehicle_charging_type2\nmeter_wh:${meter}\npower_w:7000\ntype2_state:c\n`
      answer(path.includes('full_state') ? 200 : 404, lines)(socket, path)
    }
  }

  it('a total that falls once is dropped; three in a row open a new epoch, and the lifetime energy goes on', async () => {
    const s = await scene('meter', 'mennekes-ecu')
    meters(s, 5_000)
    const edge = s.edge('disk')
    await s.totalIs(5_000)
    meters(s, 3, 5_010)
    await s.totalIs(5_010)
    assert.equal(edge.count('implausible_value'), 1)
    // The meter stays below its former value, so it is a new meter.
    meters(s, 10, 12, 14, 24)
    await s.totalIs(5_020)
    const epochs = () => edge.lines.filter(({ event, step }) => event === 'energy' && step === 'new_epoch').length
    assert.equal(epochs(), 1)
    assert.equal(await edge.end('SIGTERM'), 0)
    meters(s, 30)
    const again = s.edge('disk')
    await s.totalIs(5_026)
    assert.equal(await again.end('SIGTERM'), 0)
    neverFalls(await s.totals())
  })
})
