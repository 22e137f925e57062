// `chargelift month close|list|show`: closes, lists and shows months for cost allocation and reimbursement.

import type pg from 'pg'
import { closeMonth, type Statement } from '../../history/billing/month.ts'
import { readStatements } from '../../history/billing/monthRows.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { monthHelp } from './help.ts'
import { nameOf, show, totalText } from './show.ts'

const noun = {
  name: 'month',
  actions: ['close', 'list', 'show'],
  flags: {
    site: { type: 'string', expected: 'the name of a site' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
    ...databaseOptions
  },
  only: { force: ['close'], site: ['close', 'show'], json: ['list', 'show'] }
} as const

export const help = (args: readonly string[]): string => helpOf(noun.name, monthHelp, args)

interface Flags {
  readonly action: (typeof noun.actions)[number]
  readonly month: string
  readonly site: string | undefined
  readonly force: boolean
  readonly json: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
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

const monthRule = /^\d{4}-(0[1-9]|1[0-2])$/

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action, command, values, words } = readNoun(noun, args, faults)
  const takesMonth = action !== 'list'
  const month = takesMonth ? words[0] : undefined
  if (action !== undefined && takesMonth && !monthRule.test(month ?? '')) {
    faults.push({ path: 'MONTH', expected: 'a month like 2026-10', found: month ?? 'nothing' })
  }
  refuseMore(command, words.slice(takesMonth ? 1 : 0), faults)
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const { site, force = false, json = false } = values
  return { action: action!, month: month ?? '', site, force, json, server: server! }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
