// Tests the verifier against a real PostgreSQL. A correct run passes, and the verifier finds each planted fault.

import assert from 'node:assert/strict'
import { before, beforeEach, describe, it } from 'node:test'
import type { Client } from 'pg'
import { Harness } from '../../test/harness.ts'
import { columns, literalOf } from '../load/columns.ts'
import { Ledger } from '../load/ledger.ts'
import { Session } from '../load/session.ts'
import { judge, readStored, type StoredShape } from './verify.ts'

const names = ['bench-1-0', 'bench-1-1']
const polls = 40
const shape: StoredShape = { from: 'readings r', charger: 'r.charger', row: 'poll' }
const messageShape: StoredShape = { ...shape, row: 'message' }

describe('verification', () => {
  const harness = Harness.use()
  let db: Client
  let ledger: Ledger

  before(async () => {
    db = await harness.session(await harness.database())
    const types = columns.map(({ column, scale }) => `${column} ${scale === undefined ? 'text' : 'double precision'}`)
    await db.query(`CREATE TABLE readings (charger text, time timestamptz, ${types.join(', ')})`)
  })

  beforeEach(async () => {
    await db.query('TRUNCATE readings')
    ledger = new Ledger(names.length, columns.length)
    const rows: string[] = []
    for (const [i, name] of names.entries()) {
      const session = new Session(i)
      const units = new Float64Array(columns.length)
      for (let poll = 0; poll < polls; poll++) {
        session.advance(300)
        session.show(units, 0, columns.length)
        const timeMs = Date.UTC(2026, 10, 23) + poll * 1_007
        ledger.enter(i, timeMs, units, 0)
        const values = columns.map((column, k) => literalOf(column, units[k]!).replaceAll('"', "'"))
        rows.push(`('${name}', '${new Date(timeMs).toISOString()}', ${values.join(', ')})`)
      }
    }
    await db.query(`INSERT INTO readings VALUES ${rows.join(', ')}`)
  })

  async function verdict(of: StoredShape = shape): Promise<string> {
    const query = (sql: string, values: unknown[]) => db.query<Record<string, unknown>>(sql, values)
    return judge(names, ledger.entries, await readStored(query, of, columns, 'bench-1-'), columns, of.row).join('; ')
  }

  const oneRow = "ctid = (SELECT ctid FROM readings WHERE charger = 'bench-1-1' ORDER BY time OFFSET 7 LIMIT 1)"

  it('passes what is stored as it was acknowledged', async () => {
    assert.equal(await verdict(), '')
  })

  it('finds a row that was lost', async () => {
    await db.query(`DELETE FROM readings WHERE ${oneRow}`)
    assert.match(
      await verdict(),
      /^8 acknowledged and not stored \(bench-1-1, PowerOutput: 40 acknowledged, 39 stored\)$/
    )
  })

  it('finds a value that was lost, its row being there', async () => {
    await db.query(`UPDATE readings SET power_output = NULL WHERE ${oneRow}`)
    assert.match(
      await verdict(),
      /^1 acknowledged and not stored \(bench-1-1, PowerOutput: 40 acknowledged, 39 stored\)$/
    )
  })

  it('finds a row that is there twice', async () => {
    await db.query(`INSERT INTO readings SELECT * FROM readings WHERE ${oneRow}`)
    assert.match(await verdict(), /^8 stored more than once/)
  })

  it('finds a value that was altered', async () => {
    await db.query(`UPDATE readings SET total_energy_consumption = total_energy_consumption + 1 WHERE ${oneRow}`)
    assert.match(await verdict(), /^1 sums that differ \(bench-1-1, TotalEnergyConsumption: sum/)
  })

  it('finds a tenth of an ampere, and a text that nobody sent', async () => {
    await db.query(`UPDATE readings SET output_current = output_current + 0.1 WHERE ${oneRow}`)
    assert.match(await verdict(), /OutputCurrent: sum/)
    await db.query(`UPDATE readings SET charger_status = 'Charge ' WHERE ${oneRow}`)
    assert.match(await verdict(), /ChargerStatus: 40 acknowledged, 39 stored/)
  })

  it('finds two values that changed places: their sum is the same', async () => {
    await db.query(
      `UPDATE readings SET maximum_output_current = maximum_output_current
         + CASE WHEN time = '2026-11-23T00:00:00Z' THEN 1 ELSE -1 END
       WHERE charger = 'bench-1-0' AND time <= '2026-11-23T00:00:01.007Z'`
    )
    assert.match(await verdict(), /MaximumOutputCurrent: sum (\d+) sent, \1 stored/)
  })

  it('finds the row of one charger under the name of another', async () => {
    await db.query(`UPDATE readings SET charger = 'bench-1-0' WHERE ${oneRow}`)
    assert.match(await verdict(), /not stored .*; .*more than once/)
  })

  it('finds rows of a charger that sent nothing, and leaves those of other fleets alone', async () => {
    await db.query(`INSERT INTO readings (charger, time) VALUES ('other', now())`)
    assert.equal(await verdict(), '')
    await db.query(`INSERT INTO readings (charger, time) VALUES ('bench-1-9', now())`)
    assert.match(await verdict(), /^1 rows of chargers that sent nothing \(bench-1-9: 1 rows\)$/)
  })

  it('finds that nothing was stored at all', async () => {
    await db.query('TRUNCATE readings')
    assert.match(await verdict(), /^640 acknowledged and not stored/)
  })

  it('counts messages where each is a row of its own', async () => {
    const split = columns
      .map(({ column }) => `SELECT charger, time, '${column}' AS name FROM readings`)
      .join(' UNION ALL ')
    const values = columns.map(({ column }) => `CASE WHEN s.name = '${column}' THEN r.${column} END AS ${column}`)
    const from = `(SELECT s.charger, s.time, ${values.join(', ')} FROM (${split}) s JOIN readings r USING (charger, time)) r`
    assert.equal(await verdict({ ...messageShape, from }), '')
    assert.match(await verdict(messageShape), /rows: 320 acknowledged, 40 stored/)
  })
})
