// Closes a month. A statement takes the sessions that ended in the month, by the clock of each site, and the later
// changes in months that were closed before. The statement cannot be changed, and has a SHA-256 over its content.
// Closing is refused while data may still arrive, unless it is forced. Then the statement names the missing data.

import { createHash } from 'node:crypto'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { Db } from '../queryable.ts'
import { Zone } from '../zone.ts'
import { type MonthProblem, monthProblems } from './monthProblems.ts'
import {
  chargersOf,
  insertStatement,
  type MonthLine,
  type MonthSite,
  readLines,
  readSites,
  readStatements
} from './monthRows.ts'
import { recost } from './recost.ts'

export interface CloseOrder {
  /** For example `2026-10`. */
  readonly month: string
  /** Undefined: all sites that are not closed yet. Empty: the chargers without a site. */
  readonly site: string | undefined
  readonly force: boolean
  readonly nowMs: number
}

/** The content that is stored and hashed. */
export interface Statement {
  readonly notice: string
  readonly site: string
  readonly month: string
  readonly timeZone: string
  readonly from: string
  readonly to: string
  readonly closedAt: string
  readonly forced: boolean
  /** The data that was missing when the month was closed. */
  readonly problems: readonly MonthProblem[]
  readonly sessions: readonly Omit<MonthLine, 'kind' | 'ofMonth'>[]
  readonly corrections: readonly Correction[]
  readonly totals: readonly Total[]
}
export type Correction = Pick<
  MonthLine,
  'ofMonth' | 'charger' | 'startedAt' | 'endedAt' | 'vehicle' | 'person' | 'energyWh' | 'amount' | 'currency'
>
/** The totals of one currency. Null is for sessions without a price. Amounts are sums of rounded amounts. */
export interface Total {
  readonly currency: string | null
  readonly sessions: number
  readonly energyWh: string
  readonly amount: string | null
  readonly correctionsEnergyWh: string
  readonly correctionsAmount: string | null
}

export interface Closed {
  readonly statement: Statement
  readonly sha256: string
}

export const notice = 'Evidence for cost allocation and reimbursement. Not metering under calibration law.'

/**
 * Needs a connection of its own, and uses one transaction. Throws ConfigError with all reasons. Then nothing is closed.
 */
export async function closeMonth(db: Db, order: CloseOrder): Promise<Closed[]> {
  await db.query('BEGIN')
  try {
    // The lock keeps others from deriving and importing meanwhile.
    await db.query('LOCK TABLE tariffs IN ACCESS EXCLUSIVE MODE')
    const faults: ConfigFault[] = []
    const closed: Closed[] = []
    for (const site of await sitesOf(db, order)) closed.push(await closeSite(db, order, site, faults))
    if (faults.length > 0) throw new ConfigError(faults)
    await db.query('COMMIT')
    return closed
  } catch (error) {
    await db.query('ROLLBACK')
    throw error
  }
}

async function sitesOf(db: Db, { month, site }: CloseOrder): Promise<MonthSite[]> {
  const sites = await readSites(db)
  const asked = sites.filter(one => site === undefined || one.site === site)
  if (asked.length === 0) {
    const expected = `one of ${sites.map(one => JSON.stringify(one.site)).join(', ') || 'the sites (there are none)'}`
    throw new ConfigError([{ path: '--site', expected, found: site === undefined ? 'no site' : JSON.stringify(site) }])
  }
  const closed = new Set((await readStatements(db, month)).map(one => one.site))
  const open = asked.filter(one => !closed.has(one.site))
  if (open.length > 0) return open
  const found = 'that it is: later changes become corrections of the next month that is closed'
  throw new ConfigError([{ path: month, expected: 'a month that is not closed yet', found }])
}

async function closeSite(
  db: Db,
  { month, force, nowMs }: CloseOrder,
  site: MonthSite,
  faults: ConfigFault[]
): Promise<Closed> {
  const [fromMs, toMs] = spanOf(month, site.timeZone)
  const where = site.site || 'chargers without a site'
  if (nowMs < toMs) {
    const expected = `a month that is over (at ${where} it ends ${new Date(toMs).toISOString()})`
    throw new ConfigError([{ path: month, expected, found: `it is ${new Date(nowMs).toISOString()}` }])
  }
  const chargers = await chargersOf(db, site)
  const problems = await monthProblems(db, chargers, fromMs, toMs)
  if (!force) {
    const expected = 'all data of the month (or --force, and the statement says what was missing)'
    faults.push(...problems.map(({ charger, problem }) => ({ path: `${where}, ${charger}`, expected, found: problem })))
  }
  await recost(db, chargers)
  const lines = await readLines(db, site, month)
  const statement: Statement = {
    notice,
    ...site,
    month,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    closedAt: new Date(nowMs).toISOString(),
    forced: problems.length > 0,
    problems,
    sessions: lines.filter(isSession).map(({ kind: _, ofMonth: __, ...session }) => session),
    corrections: lines.filter(line => !isSession(line)).map(correctionOf),
    totals: totalsOf(lines)
  }
  const content = canonical(statement)
  const sha256 = sha256Of(content)
  const stored = { site: site.site, month, closedAt: new Date(nowMs), forced: statement.forced, content, sha256 }
  await insertStatement(db, stored, lines)
  return { statement, sha256 }
}

/** The start and the end of the month at a site, in ms. */
export function spanOf(month: string, timeZone: string): [fromMs: number, toMs: number] {
  const zone = new Zone(timeZone)
  const [year, number] = month.split('-').map(Number) as [number, number]
  const next = new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 10)
  return [zone.startOfDay(`${month}-01`), zone.startOfDay(next)]
}

/** The changes in closed months that no statement contains yet. */
export async function pendingCorrections(db: Db, site: MonthSite): Promise<Correction[]> {
  return (await readLines(db, site, undefined)).map(correctionOf)
}

const isSession = ({ kind }: MonthLine): boolean => kind === 'session'

const correctionOf = (line: MonthLine): Correction => {
  const { ofMonth, charger, startedAt, endedAt, vehicle, person, energyWh, amount, currency } = line
  return { ofMonth, charger, startedAt, endedAt, vehicle, person, energyWh, amount, currency }
}

export function totalsOf(lines: readonly Pick<MonthLine, 'kind' | 'currency' | 'energyWh' | 'amount'>[]): Total[] {
  const currencies = [...new Set(lines.map(({ currency }) => currency))].sort()
  return currencies.map(currency => {
    const of = (kind: MonthLine['kind']) => lines.filter(line => line.kind === kind && line.currency === currency)
    const amountOf = (kind: MonthLine['kind']) =>
      currency === null
        ? null
        : sum(
            of(kind).map(({ amount }) => amount!),
            2
          )
    return {
      currency,
      sessions: of('session').length,
      energyWh: sum(
        of('session').map(({ energyWh }) => energyWh),
        3
      ),
      amount: amountOf('session'),
      correctionsEnergyWh: sum(
        of('correction').map(({ energyWh }) => energyWh),
        3
      ),
      correctionsAmount: amountOf('correction')
    }
  })
}

/** The exact sum of decimal numbers with `digits` digits after the point. */
export function sum(decimals: readonly string[], digits: number): string {
  const units = decimals.reduce((total, decimal) => total + BigInt(decimal.replace('.', '')), 0n)
  const text = String(units < 0n ? -units : units).padStart(digits + 1, '0')
  return `${units < 0n ? '-' : ''}${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** JSON with sorted members and a line end. The same content always has the same bytes. */
export const canonical = (value: unknown): string => `${JSON.stringify(sorted(value))}\n`

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)])
  )
}

export const sha256Of = (content: string): string => createHash('sha256').update(content, 'utf8').digest('hex')
