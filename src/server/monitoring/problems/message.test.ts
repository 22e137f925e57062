// The webhook's message: how many chargers it names, and which cause stands for a group.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf } from './message.ts'
import type { ProblemRow } from './rows.ts'

const row = (charger: string, cause = 'no connection', sinceMs = Date.UTC(2026, 10, 1)): ProblemRow => ({
  charger,
  condition: 'offline',
  cause,
  sinceMs,
  seenMs: sinceMs,
  toldMs: undefined,
  closedMs: undefined
})
const rows = (count: number): ProblemRow[] => Array.from({ length: count }, (_, i) => row(`w${count - i}`))
const textOf = (opened: readonly ProblemRow[], closed: readonly ProblemRow[] = []): string =>
  messageOf({ opened, closed }, { node: 'a:8883', chargers: 3_200 }).text

test('up to five chargers are named, sorted by name', () => {
  assert.equal(textOf([row('b'), row('a')]), 'a, b offline. no connection')
  assert.equal(textOf(rows(5)), 'w1, w2, w3, w4, w5 offline. no connection')
})

test('more chargers are counted, out of all', () => {
  assert.equal(textOf(rows(6)), '6 of 3200 chargers offline. no connection')
})

test('a problem that is over has a line of its own, without a cause', () => {
  assert.equal(textOf([row('a')], [row('b')]), 'a offline. no connection\nb no longer offline.')
})

test('the commonest cause stands for a group, and the oldest beginning', () => {
  const { opened } = messageOf(
    { opened: [row('a', 'x', 2_000), row('b', 'y', 1_000), row('c', 'y', 3_000)], closed: [] },
    { node: 'a:8883', chargers: 3 }
  )
  assert.equal(opened[0]!.cause, 'y')
  assert.equal(opened[0]!.since, '1970-01-01T00:00:01.000Z')
  assert.deepEqual(
    opened[0]!.examples.map(({ charger, cause }) => [charger, cause]),
    [
      ['a', 'x'],
      ['b', 'y'],
      ['c', 'y']
    ]
  )
})
