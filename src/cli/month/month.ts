// `chargelift month close|list|show`: months for cost allocation and reimbursement.

import { parseArgs } from 'node:util'
import type pg from 'pg'
import {
  closeMonth,
  notice,
  pendingCorrections,
  type Statement,
  sha256Of,
  sum,
  type Total
} from '../../history/billing/month.ts'
import { readStatements, type StoredStatement } from '../../history/billing/monthRows.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, databaseOptionsHelp, serverConfigOf, withDatabase } from '../shared/database.ts'

export const monthHelp = `Usage: chargelift month close 2026-10 [--site SITE] [--force]
       chargelift month list [--json]
       chargelift month show 2026-10 [--site SITE] [--json]

Closes a month for cost allocation and reimbursement (not metering under calibration law). A session belongs to the month in
which it ended, on the clock of its site; the month is the sum of the rounded amounts of its sessions.
  close  stores a statement for each site that nobody can change. Refuses while an edge has samples to send, where a charger
         said nothing for more than an hour, and while late rows are not derived yet; --force closes it all the same, and the
         statement names what was missing. What changes later is a correction in the next month that is closed.
  list   the closed months
  show   one of them: by charger and by card, its corrections, and what has changed since. With --json the statement as it
         was stored, byte for byte: its SHA-256 is the one of list and show (chargelift month show ... --json | sha256sum)

Options:
  --site SITE          this site only; "" is the chargers without a site (all)
  --force              close it although data is missing
  --json               list: JSON lines; show: the stored statement
${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the month cannot be closed, or the flags or the database have faults (all are printed).
`

const actions = ['close', 'list', 'show'] as const
interface Flags {
  readonly action: (typeof actions)[number]
  readonly month: string
  readonly site: string | undefined
  readonly force: boolean
  readonly json: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function monthCommand(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  const { action } = flags
  await withDatabase(flags.server, 'month_statements', async pool => {
    const db = await pool.connect()
    try {
      await (action === 'close' ? close(db, flags) : action === 'list' ? list(db, flags) : show(db, flags))
    } finally {
      db.release()
    }
  })
}

async function close(db: pg.PoolClient, { month, site, force }: Flags): Promise<void> {
  for (const { statement, sha256 } of await closeMonth(db, { month, site, force, nowMs: Date.now() })) {
    print(`${month} of ${nameOf(statement)} is closed: ${statement.sessions.length} sessions`)
    for (const total of statement.totals) print(`  ${totalText(total)}`)
    if (statement.corrections.length > 0) print(`  corrections of earlier months: ${statement.corrections.length}`)
    for (const { charger, problem } of statement.problems) print(`  missing: ${charger}: ${problem}`)
    print(`  SHA-256 ${sha256}`)
  }
}

async function list(db: pg.PoolClient, { json }: Flags): Promise<void> {
  const statements = await readStatements(db)
  if (statements.length === 0 && !json) print('no month is closed')
  for (const { content, sha256, closedAt, forced } of statements) {
    const { site, month, sessions, corrections, totals } = JSON.parse(content) as Statement
    const facts = {
      month,
      site,
      closedAt,
      forced,
      sessions: sessions.length,
      corrections: corrections.length,
      totals,
      sha256
    }
    if (json) print(JSON.stringify(facts))
    else {
      const sums = totals.map(totalText).join('; ') || 'nothing'
      print(`${month}  ${nameOf({ site })}${forced ? ' (closed by force)' : ''}: ${sessions.length} sessions, ${sums}`)
      print(`         SHA-256 ${sha256}`)
    }
  }
}

async function show(db: pg.PoolClient, { month, site, json }: Flags): Promise<void> {
  const found = (await readStatements(db, month)).filter(one => site === undefined || one.site === site)
  if (found.length === 0) {
    const expected = 'a month that is closed (chargelift month list)'
    throw new ConfigError([{ path: month, expected, found: 'one that is not' }])
  }
  if (json && found.length > 1) {
    const expected = found.map(one => JSON.stringify(one.site)).join(' or ')
    throw new ConfigError([{ path: '--site', expected, found: 'nothing, and there are several' }])
  }
  for (const stored of found) {
    if (json) process.stdout.write(stored.content)
    else await showOne(db, stored)
  }
}

async function showOne(db: pg.PoolClient, { content, sha256 }: StoredStatement): Promise<void> {
  const statement = JSON.parse(content) as Statement
  const { month, sessions, corrections, problems, totals, closedAt, timeZone } = statement
  print(`${month} of ${nameOf(statement)} (${timeZone}), closed ${closedAt}`)
  print(notice)
  for (const total of totals) print(`Total  ${totalText(total)}`)
  print('By charger')
  for (const line of grouped(sessions, ({ charger }) => charger)) print(`  ${line}`)
  print('By card')
  const cardOf = ({ vehicle, person }: Statement['sessions'][number]) =>
    `${vehicle || 'no card'}${person ? ` (${person})` : ''}`
  for (const line of grouped(sessions, cardOf)) print(`  ${line}`)
  if (corrections.length > 0) print('Corrections of earlier months')
  for (const one of corrections) print(`  ${correctionText(one)}`)
  for (const { charger, problem } of problems) print(`Missing when it was closed: ${charger}: ${problem}`)
  const pending = (await pendingCorrections(db, statement)).filter(({ ofMonth }) => ofMonth === month)
  if (pending.length > 0) print('Changed since; the next month that is closed has it as a correction')
  for (const one of pending) print(`  ${correctionText(one)}`)
  print(`SHA-256 ${sha256}${sha256Of(content) === sha256 ? '' : ': DOES NOT FIT the stored content'}`)
}

type Line = Statement['sessions'][number]

/** A line for each group and currency. */
function grouped(sessions: readonly Line[], keyOf: (line: Line) => string): string[] {
  const groups = new Map<string, Line[]>()
  for (const line of sessions) {
    const key = JSON.stringify([keyOf(line), line.currency])
    groups.set(key, [...(groups.get(key) ?? []), line])
  }
  return [...groups.values()].map(lines => {
    const { currency } = lines[0]!
    const amount =
      currency === null
        ? 'without a price'
        : `${sum(
            lines.map(line => line.amount!),
            2
          )} ${currency}`
    const energy = kwh(
      sum(
        lines.map(line => line.energyWh),
        3
      )
    )
    return `${keyOf(lines[0]!)}: ${lines.length} sessions, ${energy}, ${amount}`
  })
}

const correctionText = (one: Statement['corrections'][number]): string => {
  const amount = one.currency === null ? '' : `, ${one.amount} ${one.currency}`
  return `${one.ofMonth} ${one.charger}, begun ${one.startedAt}: ${kwh(one.energyWh)}${amount}`
}

const totalText = ({ currency, energyWh, amount, correctionsEnergyWh, correctionsAmount }: Total): string => {
  const price = (text: string | null) => (currency === null ? 'without a price' : `${text} ${currency}`)
  const hasCorrections = BigInt(correctionsEnergyWh.replace('.', '')) !== 0n || Number(correctionsAmount ?? 0) !== 0
  const more = hasCorrections ? `, corrections ${kwh(correctionsEnergyWh)}, ${price(correctionsAmount)}` : ''
  return `${kwh(energyWh)}, ${price(amount)}${more}`
}

const kwh = (wh: string): string => `${(Number(wh) / 1000).toFixed(3)} kWh`
const nameOf = ({ site }: { readonly site: string }): string => site || 'chargers without a site'

const monthRule = /^\d{4}-(0[1-9]|1[0-2])$/
const only = { force: ['close'], site: ['close', 'show'], json: ['list', 'show'] } as const

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, positionals } = parse(args)
  const [word, month, ...extra] = positionals
  const action = actions.find(action => action === word)
  if (action === undefined) faults.push({ path: 'month', expected: 'close, list or show', found: word ?? 'nothing' })
  const isMonth = monthRule.test(month ?? '')
  if (action !== undefined && action !== 'list' && !isMonth) {
    faults.push({ path: 'MONTH', expected: 'a month like 2026-10', found: month ?? 'nothing' })
  }
  const more = action === 'list' && month !== undefined ? [month, ...extra] : extra
  if (more.length > 0) faults.push({ path: 'arguments', expected: 'nothing more', found: more.join(' ') })
  for (const [flag, of] of Object.entries(only)) {
    if (flag in values && action !== undefined && !(of as readonly string[]).includes(action)) {
      faults.push({ path: `--${flag}`, expected: `it with ${of.join(' or ')}`, found: `it with ${action}` })
    }
  }
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const { site, force = false, json = false } = values
  return { action: action!, month: month ?? '', site, force, json, server: server! }
}

function parse(args: readonly string[]) {
  const own = { site: { type: 'string' }, force: { type: 'boolean' }, json: { type: 'boolean' } } as const
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...own, ...databaseOptions } })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
