// The webhook's message. Pure. Problems are grouped by condition, so that it is one message however many chargers share
// a problem. `text` says it in words, which chat programs show as they are. The other members are for programs.

import { type Condition, conditions } from '../../../model/api/problem.ts'
import type { Due } from './ledger.ts'
import { webhookNamesMax } from './limits.ts'
import type { ProblemRow } from './rows.ts'

export interface WebhookMessage {
  readonly text: string
  readonly node: string
  /** Chargers that the server knows. */
  readonly chargers: number
  readonly opened: readonly Group[]
  readonly closed: readonly Group[]
}

interface Group {
  readonly condition: Condition
  readonly count: number
  /** The cause that most of them share. */
  readonly cause: string
  /** When the oldest began. */
  readonly since: string
  /** The first of them, by name. */
  readonly examples: readonly { readonly charger: string; readonly cause: string; readonly since: string }[]
}

export function messageOf(
  { opened, closed }: Due,
  { node, chargers }: { node: string; chargers: number }
): WebhookMessage {
  const groups = { opened: groupsOf(opened), closed: groupsOf(closed) }
  const lines = [
    ...groups.opened.map(group => `${namesIn(group, chargers)} ${words[group.condition]}. ${group.cause}`),
    ...groups.closed.map(group => `${namesIn(group, chargers)} no longer ${words[group.condition]}.`)
  ]
  return { text: lines.join('\n'), node, chargers, ...groups }
}

const groupsOf = (rows: readonly ProblemRow[]): Group[] =>
  conditions.flatMap(condition => {
    const own = rows.filter(row => row.condition === condition)
    return own.length === 0 ? [] : [groupOf(condition, own)]
  })

function groupOf(condition: Condition, rows: readonly ProblemRow[]): Group {
  const byName = rows.toSorted((a, b) => (a.charger < b.charger ? -1 : 1))
  return {
    condition,
    count: rows.length,
    cause: commonest(rows.map(({ cause }) => cause)),
    since: isoTime(rows.reduce((oldest, { sinceMs }) => Math.min(oldest, sinceMs), Number.POSITIVE_INFINITY)),
    examples: byName
      .slice(0, webhookNamesMax)
      .map(({ charger, cause, sinceMs }) => ({ charger, cause, since: isoTime(sinceMs) }))
  }
}

function commonest(texts: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
}

/** `wallbox-1, wallbox-2`, or `3000 of 3200 chargers`. */
function namesIn({ count, examples }: Group, chargers: number): string {
  if (count > namedMax) return `${count} of ${chargers} chargers`
  const names = examples.map(({ charger }) => charger)
  return names.join(', ')
}
const namedMax = 5

const words: Readonly<Record<Condition, string>> = {
  silent: 'silent',
  offline: 'offline',
  unreachable: 'not reached by its edge',
  fault: 'reporting a fault',
  backlog: 'behind with its samples',
  clock: 'without a right clock',
  certificate: 'about to lose its certificate',
  version: 'of another version'
}

const isoTime = (ms: number): string => new Date(ms).toISOString()
