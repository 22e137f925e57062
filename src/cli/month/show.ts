// `chargelift month show`: prints the statements of a month, as text for people or as the stored JSON.

import type pg from 'pg'
import { notice, pendingCorrections, type Statement, sha256Of, sum, type Total } from '../../history/billing/month.ts'
import { readStatements, type StoredStatement } from '../../history/billing/monthRows.ts'
import { ConfigError } from '../../model/errors.ts'

interface ShowFlags {
  readonly month: string
  readonly site: string | undefined
  readonly json: boolean
}

/** Throws ConfigError when the month is not closed, or when --json would have to print several statements. */
export async function show(db: pg.PoolClient, { month, site, json }: ShowFlags): Promise<void> {
  const found = (await readStatements(db, month)).filter(one => site === undefined || one.site === site)
  if (found.length === 0) {
    const where = site === undefined ? '' : ` for ${nameOf({ site })}`
    const sentence = `${month} is not closed${where}. "chargelift month list" shows the closed months.`
    throw new ConfigError([{ path: month, expected: 'a month that is closed', found: 'one that is not', sentence }])
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

/** One line for each group and currency. */
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

export const totalText = ({ currency, energyWh, amount, correctionsEnergyWh, correctionsAmount }: Total): string => {
  const price = (text: string | null) => (currency === null ? 'without a price' : `${text} ${currency}`)
  const hasCorrections = BigInt(correctionsEnergyWh.replace('.', '')) !== 0n || Number(correctionsAmount ?? 0) !== 0
  const more = hasCorrections ? `, corrections ${kwh(correctionsEnergyWh)}, ${price(correctionsAmount)}` : ''
  return `${kwh(energyWh)}, ${price(amount)}${more}`
}

const kwh = (wh: string): string => `${(Number(wh) / 1000).toFixed(3)} kWh`
export const nameOf = ({ site }: { readonly site: string }): string => site || 'chargers without a site'

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
