// Where a derivation begins, where it ends, and what it stores. The tables are in memory, and answer like the database.
// test/full/sessions.test.ts does the same on a database, with a year of rows.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseTime } from '../../model/wire/envelope.ts'
import type { SessionRow } from '../counters.ts'
import { RecordedDb } from '../testing/recordedDb.ts'
import { deriveSessions } from './sessions.ts'

const us = (text: string): number => parseTime(text)!
/** `3T10:00` in October 2026. */
const at = (time: string): number => {
  const [day, clock] = time.split('T') as [string, string]
  return us(`2026-10-${day.padStart(2, '0')}T${clock}:00Z`)
}
const clockOf = (timeUs: number): string => {
  const [day, clock] = new Date(timeUs / 1000).toISOString().slice(8, 16).split('T')
  return `${Number(day)}T${clock}`
}

const nothing = { state: null, totalWh: null, sessionWh: null, powerW: null, vehicle: null, status: null }
type Told = Partial<SessionRow>
const charging = (totalWh: number): Told => ({ state: 'charging', status: 'Charging', vehicle: 'A', totalWh })
const gone = (totalWh: number): Told => ({ state: 'idle', status: 'Idle', vehicle: '', totalWh })

interface StoredMark {
  readonly atUs: number
  readonly state: string
}

/** The tables of one charger. */
class Tables {
  rows: SessionRow[] = []
  readonly sessions = new Map<string, { ended_at: string | null; energy_wh: number; decided_at: string }>()
  readonly states = new Map<number, string>()
  head: StoredMark | undefined
  tip: StoredMark | undefined
  recorded = new RecordedDb()
  /** The time ranges of the reads of raw rows. */
  reads: string[] = []

  tell(...lines: (readonly [time: string, told: Told])[]): void {
    for (const [time, told] of lines) this.rows.push({ timeUs: at(time), ...nothing, ...told })
    this.rows.sort((a, b) => a.timeUs - b.timeUs)
  }

  async derive(from: string, to: string, rawFrom?: string): Promise<void> {
    this.reads = []
    this.recorded = new RecordedDb([
      ['FROM tariffs', []],
      ['LEFT JOIN session_heads', ([ids, from, to]) => this.#marks(ids, from, to)],
      ['FROM ev_readings e', ([, from, to, limit]) => this.#read(from, to, limit as number)],
      ['DELETE FROM charging_sessions', values => this.#deleteOthers(values as string[][])],
      ['INSERT INTO charging_sessions', ([json]) => this.#upsert(json as string)],
      ['INSERT INTO session_states', ([, times, states]) => this.#keepStates(times as string[], states as string[])],
      ['INSERT INTO session_heads', values => this.#keepHead(values as string[][])]
    ])
    const range = { chargerId: 1, fromMs: at(from) / 1000, toMs: at(to) / 1000 }
    await deriveSessions(this.recorded.db, [range], rawFrom === undefined ? undefined : at(rawFrom) / 1000)
  }

  /** Each session as `from-to energy`. */
  get list(): string[] {
    return Array.from(this.sessions, ([started, { ended_at, energy_wh }]) => {
      return `${clockOf(us(started))}-${ended_at === null ? '' : clockOf(us(ended_at))} ${energy_wh}`
    }).sort()
  }

  #marks(ids: unknown, from: unknown, to: unknown): object[] {
    assert.deepEqual(ids, [1])
    const [fromUs, toUs] = [us((from as string[])[0]!), us((to as string[])[0]!)]
    const isHeadBehind = this.head === undefined || this.head.atUs > fromUs
    const marks = [...this.states].sort(([a], [b]) => a - b)
    const before = isHeadBehind ? marks.findLast(([atUs]) => atUs <= fromUs) : undefined
    return [
      {
        id: 1,
        name: 'w1',
        tariff: null,
        time_zone: 'UTC',
        head_at: this.head?.atUs ?? null,
        head_state: this.head?.state ?? null,
        tip_at: this.tip?.atUs ?? null,
        tip_state: this.tip?.state ?? null,
        before_at: before?.[0] ?? null,
        before_state: before?.[1] ?? null,
        marks: this.head !== undefined && isHeadBehind ? marks.filter(([atUs]) => atUs >= toUs) : null
      }
    ]
  }

  #read(from: unknown, to: unknown, limit: number): object[] {
    const [fromUs, toUs] = [us((from as string[])[0]!), us((to as string[])[0]!)]
    this.reads.push(`${clockOf(fromUs)} to ${clockOf(toUs)}`)
    const rows = this.rows.filter(({ timeUs }) => timeUs >= fromUs && timeUs < toUs)
    return rows.slice(0, limit).map(row => ({
      id: 1,
      time_us: row.timeUs,
      operation_state: row.state,
      total_energy_consumption: row.totalWh,
      session_energy: row.sessionWh,
      power_output: row.powerW,
      connected_vehicle: row.vehicle,
      charger_status: row.status
    }))
  }

  #deleteOthers([, from, to, , kept]: string[][]): object[] {
    const [[fromText], [toText]] = [from!, to!]
    const [fromUs, toUs] = [
      fromText === '-infinity' ? -Infinity : us(fromText!),
      toText === 'infinity' ? Infinity : us(toText!)
    ]
    for (const [started, { decided_at }] of this.sessions) {
      const decidedUs = us(decided_at)
      if (decidedUs >= fromUs && decidedUs < toUs && !kept!.includes(started)) this.sessions.delete(started)
    }
    return []
  }

  #upsert(json: string): object[] {
    for (const { started_at, ...session } of JSON.parse(json)) this.sessions.set(started_at, session)
    return []
  }

  #keepStates(times: string[], states: string[]): object[] {
    times.forEach((time, i) => {
      this.states.set(us(time), states[i]!)
    })
    return []
  }

  #keepHead([, at, state, tipAt, tipState]: string[][]): object[] {
    this.head = { atUs: us(at![0]!), state: state![0]! }
    this.tip = { atUs: us(tipAt![0]!), state: tipState![0]! }
    return []
  }
}

/** Two days with one session each. */
function twoDays(): Tables {
  const tables = new Tables()
  tables.tell(
    ['2T08:00', gone(0)],
    ['2T10:00', charging(0)],
    ['2T11:00', charging(7_000)],
    ['2T11:30', gone(7_000)],
    ['3T10:00', charging(7_000)],
    ['3T11:00', charging(9_000)],
    ['3T11:30', gone(9_000)]
  )
  return tables
}
const whole = ['2T10:00-2T11:30 7000', '3T10:00-3T11:30 2000']

describe('deriving sessions', () => {
  it('begins with the first row there is, and notes where it may go on: at midnights, at the range, and behind the newest row', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '4T00:00')
    assert.deepEqual(tables.list, whole)
    assert.deepEqual([...tables.states.keys()].map(clockOf), ['3T00:00'])
    assert.equal(clockOf(tables.head!.atUs), '1T00:00')
    assert.equal(tables.tip!.atUs, at('3T11:30') + 1)
  })

  it('asked again for the same changes nothing', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '4T00:00')
    const before = [tables.list, tables.head, tables.tip]
    await tables.derive('1T00:00', '4T00:00')
    assert.deepEqual([tables.list, tables.head, tables.tip], before)
  })

  it('in steps gives what it gives at once', async () => {
    const tables = twoDays()
    const all = tables.rows
    for (const [from, to] of [
      ['2T00:00', '2T10:30'],
      ['2T10:20', '2T11:15'],
      ['2T11:05', '3T00:00'],
      ['2T23:50', '3T10:30'],
      ['3T10:20', '4T00:00']
    ] as const) {
      tables.rows = all.filter(({ timeUs }) => timeUs < at(to))
      await tables.derive(from, to)
    }
    assert.deepEqual(tables.list, whole)
  })

  it('goes on from the tip without a row before it, also when the range begins exactly there', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '3T12:00')
    tables.tell(['3T12:00', charging(9_000)], ['3T13:00', gone(12_000)])
    await tables.derive('3T12:00', '4T00:00')
    assert.deepEqual(tables.reads, ['3T11:30 to 4T00:00'])
    assert.deepEqual(tables.list, [...whole, '3T12:00-3T13:00 3000'])
  })

  it('goes on from the midnight at which the range begins', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '3T12:00')
    await tables.derive('3T12:00', '3T13:00')
    assert.equal(clockOf(tables.head!.atUs), '3T12:00')
    tables.tell(['3T09:00', charging(7_000)], ['3T09:30', gone(7_000)])
    await tables.derive('3T00:00', '3T09:31')
    assert.match(tables.reads[0]!, /^3T00:00 to /)
    assert.deepEqual(tables.list, [whole[0], '3T09:00-3T09:30 0', whole[1]])
  })

  it('of late rows reads from the midnight before them, and ends where nothing is different any more', async () => {
    const tables = twoDays()
    tables.tell(['4T09:00', gone(9_000)], ['5T09:00', gone(9_000)], ['6T09:00', gone(9_000)])
    await tables.derive('1T00:00', '6T10:00')
    await tables.derive('6T10:00', '6T11:00')
    const tip = tables.tip
    // The session of the 3rd ended earlier than was derived before.
    tables.tell(['3T11:10', gone(9_000)])
    await tables.derive('3T11:10', '3T11:11')
    assert.deepEqual(tables.list, [whole[0], '3T10:00-3T11:10 2000'])
    assert.equal(tables.tip, tip, 'what is known of the newest row stays')
    assert.match(tables.reads[0]!, /^3T00:00 to /)
    assert.equal(tables.recorded.of('INSERT INTO session_heads').length, 0)
  })

  it('takes away a session that late rows undo', async () => {
    const tables = new Tables()
    tables.tell(
      ['2T10:00', charging(0)],
      ['2T10:30', charging(3_000)],
      ['2T10:40', gone(3_000)],
      ['2T11:00', charging(3_000)],
      ['2T12:00', gone(9_000)]
    )
    await tables.derive('1T00:00', '3T00:00')
    assert.deepEqual(tables.list, ['2T10:00-2T10:40 3000', '2T11:00-2T12:00 6000'])
    tables.rows = tables.rows.filter(({ timeUs }) => timeUs !== at('2T10:40'))
    await tables.derive('2T10:40', '2T10:41')
    assert.deepEqual(tables.list, ['2T10:00-2T12:00 9000'])
  })

  it('leaves alone what was derived from raw rows that are gone', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '4T00:00')
    tables.rows = tables.rows.filter(({ timeUs }) => timeUs >= at('3T00:00'))
    await tables.derive('1T00:00', '4T00:00', '3T00:00')
    assert.deepEqual(tables.list, whole)
    assert.deepEqual(tables.reads, ['3T11:30 to 4T00:00'], 'the head is older than the raw rows: only the tip is safe')
  })

  it('goes on from a midnight at which the raw rows begin that are left', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '3T12:00')
    await tables.derive('3T12:00', '3T13:00')
    tables.rows = tables.rows.filter(({ timeUs }) => timeUs >= at('3T00:00'))
    tables.tell(['3T11:10', gone(9_000)])
    await tables.derive('2T00:00', '3T11:11', '3T00:00')
    assert.match(tables.reads[0]!, /^3T00:00 to /)
    assert.deepEqual(tables.list, [whole[0], '3T10:00-3T11:10 2000'])
  })

  it('goes on from the tip when raw rows are gone since the head', async () => {
    const tables = twoDays()
    await tables.derive('1T00:00', '3T12:00')
    tables.states.clear()
    tables.rows = []
    tables.tell(['5T10:00', charging(9_000)], ['5T11:00', gone(12_000)])
    await tables.derive('5T00:00', '6T00:00', '4T00:00')
    assert.deepEqual(tables.list, [...whole, '5T10:00-5T11:00 3000'])
    assert.deepEqual(tables.reads, ['3T11:30 to 6T00:00'])
  })

  it('of a charger without a row stores nothing', async () => {
    const tables = new Tables()
    await tables.derive('1T00:00', '2T00:00')
    assert.deepEqual([tables.list, tables.head, tables.tip], [[], undefined, undefined])
    assert.equal(tables.recorded.of('INSERT').length, 0)
  })

  it('reads more rows than it may hold at once in pages', async () => {
    const tables = new Tables()
    for (let i = 0; i < 50_001; i++) {
      tables.rows.push({ timeUs: at('2T00:00') + i * 1_000_000, ...nothing, ...charging(i) })
    }
    await tables.derive('1T00:00', '3T00:00')
    assert.equal(tables.reads.length, 2)
    assert.deepEqual(tables.list, ['2T00:00- 50000'])
  })
})
