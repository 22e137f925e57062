// `chargelift tokens add|list|revoke`: who may use the HTTP port. A token is printed once, when it is made, alone on stdout.

import { parseArgs } from 'node:util'
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
import { databaseOptions, databaseOptionsHelp, serverConfigOf, withDatabase } from '../shared/database.ts'

export const tokensHelp = `Usage: chargelift tokens add NAME [--role ROLE] [--days N]
       chargelift tokens list [--json]
       chargelift tokens revoke NAME

Named tokens for the HTTP port (metrics, and all that shows or changes something). Before the first token is made, a server
that listens on loopback answers whoever asks from this machine; from then on, and always on any other address, a request
needs a token: "Authorization: Bearer TOKEN", or a browser that signed in with it at /sign-in.
  add     makes a token and prints it, alone, on standard output. It is shown this once: only its hash is stored.
  list    shows the tokens, who may what, and when each was last used; never the tokens themselves.
  revoke  ends a token and the sessions of the browsers that signed in with it, on every server within seconds.
To replace a token, add one of another name, put it in its place, and revoke the old one.

Options:
  --role ROLE          ${accessRoles.join(' | ')} (viewer); each may what those before it may
                       viewer: sees everything but card ids; billing: card ids too; operator: may change things
  --days N             it ends by itself after so many days, 1 to ${tokenDaysMax} (never)
  --json               list as JSON lines
${databaseOptionsHelp}
  --help               this text

Exit codes: 0 done, 78 the flags or the database have faults (all are printed).
`

const actions = ['add', 'list', 'revoke'] as const
type Action = (typeof actions)[number]

interface Flags {
  readonly action: Action
  readonly name: string
  readonly role: AccessRole
  readonly days: number | undefined
  readonly json: boolean
  readonly server: ServerConfig
}

/** Throws ConfigError with all faults. */
export async function tokensCommand(args: readonly string[]): Promise<void> {
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
    const found = `${name}, which is in force; choose another, or revoke it first`
    throw new ConfigError([{ path: 'NAME', expected: 'a name without a token', found }])
  }
  print(token)
  const ends = expiresAt === undefined ? 'it does not end by itself' : `it ends on ${isoDay(expiresAt)}`
  tell(`Token ${name}, role ${role}; ${ends}. It is shown this once: keep it where it is used.`)
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
  throw new ConfigError([{ path: 'NAME', expected: 'a token in force (see tokens list)', found: name }])
}

const ownOptions = { role: { type: 'string' }, days: { type: 'string' }, json: { type: 'boolean' } } as const
const only: Readonly<Record<string, Action>> = { role: 'add', days: 'add', json: 'list' }

function readFlags(args: readonly string[]): Flags {
  const faults: ConfigFault[] = []
  const { values, positionals } = parse(args)
  const [word, name, ...extra] = positionals
  const action = actions.find(action => action === word)
  if (action === undefined) faults.push({ path: 'tokens', expected: 'add, list or revoke', found: word ?? 'nothing' })
  const names = action === 'list' && name !== undefined ? [name, ...extra] : extra
  if (names.length > 0) faults.push({ path: 'arguments', expected: 'nothing more', found: names.join(' ') })
  if (action !== 'list' && action !== undefined && !isChargerName(name ?? '')) {
    faults.push({
      path: 'NAME',
      expected: chargerNameRule,
      found: name === undefined ? 'nothing' : JSON.stringify(name)
    })
  }
  for (const [flag, of] of Object.entries(only)) {
    if (flag in values && action !== undefined && action !== of) {
      faults.push({ path: `--${flag}`, expected: `it with ${of}`, found: `it with ${action}` })
    }
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

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...ownOptions, ...databaseOptions } })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
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

/** For the person, not for the pipe. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
