// `chargelift tokens add|list|revoke`: manages the tokens for the HTTP port. A new token is printed once, alone on
// stdout.

import type pg from 'pg'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isoDay } from '../../model/isoDay.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import { tokenDaysMax } from '../../server/access/limits.ts'
import {
  type AccessRole,
  accessRoles,
  addToken,
  type ListedToken,
  listTokens,
  revokeToken
} from '../../server/access/tokens.ts'
import type { ServerConfig } from '../../server/config.ts'
import { databaseOptions, serverConfigOf, withDatabase } from '../shared/database.ts'
import { helpOf, readNoun, refuseMore } from '../shared/noun.ts'
import { tokensHelp } from './help.ts'

const noun = {
  name: 'tokens',
  actions: ['add', 'list', 'revoke'],
  flags: {
    role: { type: 'string', expected: accessRoles.join(' | ') },
    days: { type: 'string', expected: `1 to ${tokenDaysMax}` },
    json: { type: 'boolean' },
    ...databaseOptions
  },
  only: { role: ['add'], days: ['add'], json: ['list'] }
} as const

export const help = (args: readonly string[]): string => helpOf(noun.name, tokensHelp, args)

interface Flags {
  readonly action: (typeof noun.actions)[number]
  readonly name: string
  readonly role: AccessRole
  readonly days: number | undefined
  readonly json: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function run(args: readonly string[]): Promise<void> {
  const flags = readFlags(args)
  const { action } = flags
  await withDatabase(flags.server, 'access_tokens', db =>
    action === 'add' ? add(db, flags) : action === 'list' ? list(db, flags) : revoke(db, flags)
  )
}

async function add(db: pg.Pool, { name, role, days }: Flags): Promise<void> {
  const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * dayMs)
  const token = await addToken(db, { name, role, expiresAt })
  if (token === undefined) {
    const sentence = `The token ${name} is in force. Choose another name, or revoke this token first.`
    throw new ConfigError([{ path: 'NAME', expected: 'a name without a token', found: name, sentence }])
  }
  print(token)
  const ends = expiresAt === undefined ? 'it does not end by itself' : `it ends on ${isoDay(expiresAt)}`
  tell(`Token ${name}, role ${role}; ${ends}. It is shown only now: keep it where it is used.`)
  tell('Use it as "Authorization: Bearer TOKEN", or at /sign-in. From now on every request needs a token.')
}
const dayMs = 86_400_000

async function list(db: pg.Pool, { json }: Flags): Promise<void> {
  const tokens = await listTokens(db)
  if (json) for (const token of tokens) print(JSON.stringify({ ...token, state: stateOf(token) }))
  else if (tokens.length === 0) print('no tokens')
  else printTable([['NAME', 'ROLE', 'MADE', 'LAST USED', 'STATE'], ...tokens.map(rowOf)])
}

const rowOf = (token: ListedToken): string[] => {
  const { name, role, createdAt, lastUsedAt } = token
  return [name, role, isoDay(createdAt), lastUsedAt === null ? 'never' : isoDay(lastUsedAt), stateOf(token)]
}

function stateOf({ revokedAt, expiresAt }: ListedToken): string {
  if (revokedAt !== null) return `revoked ${isoDay(revokedAt)}`
  if (expiresAt === null) return 'in force'
  return `${expiresAt.getTime() <= Date.now() ? 'ended' : 'in force until'} ${isoDay(expiresAt)}`
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  for (const row of rows)
    print(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()
    )
}

async function revoke(db: pg.Pool, { name }: Flags): Promise<void> {
  if (await revokeToken(db, name)) return print(`Token ${name} is revoked; servers refuse it within seconds.`)
  const sentence = `No token in force is called ${name}. "chargelift tokens list" shows the tokens.`
  throw new ConfigError([{ path: 'NAME', expected: 'a token in force', found: name, sentence }])
}

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { action, command, values, words } = readNoun(noun, args, faults)
  const takesName = action !== 'list'
  const name = takesName ? words[0] : undefined
  refuseMore(command, words.slice(takesName ? 1 : 0), faults)
  if (action !== undefined && takesName && !isChargerName(name ?? '')) {
    const found = name === undefined ? 'nothing' : JSON.stringify(name)
    faults.push({ path: 'NAME', expected: chargerNameRule, found })
  }
  const role = accessRoles.find(role => role === (values.role ?? 'viewer'))
  if (role === undefined) {
    faults.push({ path: '--role', expected: accessRoles.join(' | '), found: JSON.stringify(values.role) })
  }
  const days = values.days === undefined ? undefined : daysOf(values.days, faults)
  const server = serverConfigOf(values, Object.keys(databaseOptions), faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return { action: action!, name: name ?? '', role: role!, days, json: values.json ?? false, server: server! }
}

function daysOf(text: string, faults: ConfigFault[]): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (days >= 1 && days <= tokenDaysMax) return days
  faults.push({ path: '--days', expected: `1 to ${tokenDaysMax}`, found: JSON.stringify(text) })
  return 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Prints to standard error, because standard output is for the token alone. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
