// Verifies that a run's stored messages are the acknowledged messages. For each charger and each value, the count, the
// sum and a sum weighted by time must agree. The number of rows must agree, too. A run that fails here has no speed.

import { type Column, unitsSql } from '../load/columns.ts'
import { ledgerWidth, perValue, weightSql } from '../load/ledger.ts'

/** Describes how a target stores: where its rows are, and whether a row is a poll or a single message. */
export interface StoredShape {
  /** The FROM clause. The readings have the alias `r`. */
  readonly from: string
  /** The SQL expression for the charger's name. */
  readonly charger: string
  readonly row: 'poll' | 'message'
}

export const ourShape: StoredShape = {
  from: 'ev_readings r JOIN chargers c ON c.id = r.charger_id',
  charger: 'c.name',
  row: 'poll'
}

export type Query = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/** Reads what is stored for the names with the prefix, by charger, in the form of the ledger. */
export async function readStored(
  query: Query,
  { from, charger }: StoredShape,
  columns: readonly Column[],
  prefix: string
): Promise<Map<string, Float64Array>> {
  const sums = columns.map((column, k) => {
    const units = unitsSql(column)
    return `, count(${units})::float8 AS n${k}, coalesce(sum(${units}), 0)::float8 AS s${k},
      coalesce(sum(${units} * ${weightSql}), 0)::float8 AS w${k}`
  })
  const { rows } = await query(
    `SELECT ${charger} AS name, count(*)::float8 AS rows${sums.join('')}
     FROM ${from} WHERE starts_with(${charger}, $1) GROUP BY 1`,
    [prefix]
  )
  return new Map(
    rows.map(row => [
      String(row.name),
      Float64Array.from([
        row.rows,
        ...columns.flatMap((_, k) => [row[`n${k}`], row[`s${k}`], row[`w${k}`]])
      ] as number[])
    ])
  )
}

/**
 * Returns the faults as sentences. Empty when every number agrees. `ledger` holds the entries of one charger after
 * another.
 */
export function judge(
  names: readonly string[],
  ledger: Float64Array,
  stored: ReadonlyMap<string, Float64Array>,
  columns: readonly Column[],
  row: StoredShape['row']
): string[] {
  const width = ledgerWidth(columns.length)
  const nothing = new Float64Array(width)
  const findings = { lost: new Finding(), doubled: new Finding(), altered: new Finding(), unknown: new Finding() }
  for (const [i, name] of names.entries()) {
    const expected = ledger.subarray(i * width, (i + 1) * width)
    const found = stored.get(name) ?? nothing
    const rows = row === 'poll' ? expected[0]! : expected[0]! * columns.length
    let differing = 0
    for (const [k, { valueName }] of columns.entries()) {
      const at = 1 + k * perValue
      const [count, sum, weighted] = [expected[at]!, expected[at + 1], expected[at + 2]]
      if (compareCounts(findings, `${name}, ${valueName}`, count, found[at]!)) differing++
      else if (sum !== found[at + 1] || weighted !== found[at + 2]) {
        findings.altered.add(1, `${name}, ${valueName}: sum ${sum} sent, ${found[at + 1]} stored`)
      }
    }
    // A lost or doubled row also shows in the counts of its values. Rows count as a fault only if the values agree, so
    // that faults are counted in messages.
    if (differing === 0) compareCounts(findings, `${name}, rows`, rows, found[0]!)
  }
  const known = new Set(names)
  for (const [name, [rows]] of stored) if (!known.has(name)) findings.unknown.add(rows!, `${name}: ${rows} rows`)
  return [
    ...findings.lost.sentence('acknowledged and not stored'),
    ...findings.doubled.sentence('stored more than once'),
    ...findings.altered.sentence('sums that differ'),
    ...findings.unknown.sentence('rows of chargers that sent nothing')
  ]
}

class Finding {
  #count = 0
  #first = ''

  add(count: number, example: string): void {
    if (this.#count === 0) this.#first = example
    this.#count += count
  }

  sentence(what: string): string[] {
    return this.#count === 0 ? [] : [`${this.#count} ${what} (${this.#first})`]
  }
}

/** Compares the counts and records a difference. Returns true if the counts differ. */
function compareCounts(
  { lost, doubled }: { lost: Finding; doubled: Finding },
  where: string,
  expected: number,
  found: number
): boolean {
  const example = `${where}: ${expected} acknowledged, ${found} stored`
  if (found < expected) lost.add(expected - found, example)
  if (found > expected) doubled.add(found - expected, example)
  return found !== expected
}

/** A run failed its verification. The message contains every finding. */
export class VerifyError extends Error {
  readonly findings: readonly string[]
  constructor(findings: readonly string[]) {
    super(findings.join('\n'))
    this.findings = findings
  }
}
