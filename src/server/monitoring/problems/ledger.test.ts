import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Problem } from '../../../model/api/api.ts'
import type { Condition } from '../../../model/api/problem.ts'
import { type Due, ProblemLedger } from './ledger.ts'
import { webhookAfterMs, webhookAlongMs, webhookNamesMax } from './limits.ts'
import { messageOf } from './message.ts'
import type { ProblemRow } from './rows.ts'

const t0 = Date.parse('2026-11-28T12:00:00Z')
const minuteMs = 60_000

const problem = (charger: string, condition: Condition = 'offline'): Problem => ({
  charger,
  condition,
  cause: 'Its edge is away.',
  since: '2026-11-28T11:00:00.000Z'
})

const names = (rows: readonly ProblemRow[]): string[] => rows.map(({ charger, condition }) => `${charger} ${condition}`)
const dueIn = (ledger: ProblemLedger, nowMs: number): [opened: string[], closed: string[]] | undefined => {
  const due = ledger.due(nowMs)
  return due && [names(due.opened), names(due.closed)]
}

/** Returns the ledger after a restart: the written problems are read again. */
function restarted(ledger: ProblemLedger, stored: Map<string, ProblemRow>): ProblemLedger {
  const { changed, gone } = ledger.unwritten
  for (const row of changed) stored.set(`${row.charger} ${row.condition}`, { ...row })
  for (const row of gone) stored.delete(`${row.charger} ${row.condition}`)
  ledger.written()
  return new ProblemLedger(Array.from(stored.values(), row => ({ ...row })))
}

describe('what the webhook is due to be told', () => {
  it('a problem after 15 minutes, its end 15 minutes after it, each once; over restarts', () => {
    const stored = new Map<string, ProblemRow>()
    let ledger = new ProblemLedger([])
    const look = (problems: Problem[], nowMs: number): void => {
      ledger.reconcile(problems, nowMs, true)
      ledger = restarted(ledger, stored)
    }
    look([problem('w1')], t0)
    look([problem('w1')], t0 + webhookAfterMs - 1)
    assert.equal(dueIn(ledger, t0 + webhookAfterMs - 1), undefined)
    assert.deepEqual(dueIn(ledger, t0 + webhookAfterMs), [['w1 offline'], []])
    ledger.told(ledger.due(t0 + webhookAfterMs)!, t0 + webhookAfterMs)
    ledger = restarted(ledger, stored)
    assert.equal(dueIn(ledger, t0 + 100 * webhookAfterMs), undefined)

    const endedMs = t0 + 2 * webhookAfterMs
    look([], endedMs)
    assert.equal(dueIn(ledger, endedMs + webhookAfterMs - 1), undefined)
    assert.deepEqual(dueIn(ledger, endedMs + webhookAfterMs), [[], ['w1 offline']])
    ledger.told(ledger.due(endedMs + webhookAfterMs)!, endedMs + webhookAfterMs)
    ledger = restarted(ledger, stored)
    assert.deepEqual([...stored], [])
    assert.equal(dueIn(ledger, endedMs + 100 * webhookAfterMs), undefined)
  })

  it('nothing of what comes and goes within 15 minutes, nor of an end that did not last', () => {
    const ledger = new ProblemLedger([])
    ledger.reconcile([problem('w1')], t0, true)
    ledger.reconcile([], t0 + 14 * minuteMs, true)
    assert.equal(dueIn(ledger, t0 + 60 * minuteMs), undefined)

    ledger.reconcile([problem('w2')], t0, true)
    ledger.told(ledger.due(t0 + webhookAfterMs)!, t0 + webhookAfterMs)
    ledger.reconcile([], t0 + 20 * minuteMs, true)
    ledger.reconcile([problem('w2')], t0 + 30 * minuteMs, true)
    assert.equal(dueIn(ledger, t0 + 600 * minuteMs), undefined)
  })

  it('what is younger comes along with what is due of its condition, and of no other', () => {
    const ledger = new ProblemLedger([])
    ledger.reconcile([problem('w1')], t0, true)
    const all = [problem('w1'), problem('w2'), problem('w3', 'fault')]
    ledger.reconcile(all, t0 + webhookAfterMs - webhookAlongMs, true)
    ledger.reconcile([...all, problem('w4')], t0 + webhookAfterMs - webhookAlongMs + 1, true)
    assert.deepEqual(dueIn(ledger, t0 + webhookAfterMs), [['w1 offline', 'w2 offline'], []])
  })

  it('an untold end is forgotten, a told one too when nobody is told any more', () => {
    const ledger = new ProblemLedger([])
    ledger.reconcile([problem('w1'), problem('w2')], t0, true)
    ledger.told(ledger.due(t0 + webhookAfterMs)!, t0 + webhookAfterMs)
    ledger.reconcile([problem('w2')], t0 + 20 * minuteMs, true)
    ledger.written()
    ledger.reconcile([], t0 + 21 * minuteMs, false)
    assert.deepEqual(names(ledger.unwritten.gone), ['w1 offline', 'w2 offline'])
  })

  it('numbers that move in a cause are not written each time', () => {
    const ledger = new ProblemLedger([])
    ledger.reconcile([problem('w1', 'backlog')], t0, true)
    ledger.written()
    ledger.reconcile([{ ...problem('w1', 'backlog'), cause: '900 samples wait.' }], t0 + minuteMs, true)
    assert.deepEqual(ledger.unwritten, { changed: [], gone: [] })
    assert.equal(ledger.due(t0 + webhookAfterMs)!.opened[0]!.cause, '900 samples wait.', 'the newest is told')
  })
})

describe('the message of the webhook', () => {
  const row = (charger: string, condition: Condition, cause: string, sinceMs = t0): ProblemRow => ({
    charger,
    condition,
    cause,
    sinceMs,
    seenMs: t0,
    toldMs: undefined,
    closedMs: undefined
  })

  it('is one for 3,000 chargers that share a condition, and stays small', () => {
    const opened = Array.from({ length: 3_000 }, (_, i) => row(`w${i}`, 'offline', 'Its edge is away.', t0 + i))
    const message = messageOf({ opened, closed: [] }, { node: 'a:8883', chargers: 3_200 })
    assert.equal(message.text, '3000 of 3200 chargers offline. Its edge is away.')
    assert.equal(message.opened.length, 1)
    const [group] = message.opened
    assert.equal(group!.count, 3_000)
    assert.equal(group!.since, '2026-11-28T12:00:00.000Z')
    assert.equal(group!.examples.length, webhookNamesMax)
    assert.ok(JSON.stringify(message).length < 5_000)
  })

  it('names the few, by condition, with the cause that most of them share, and what has ended', () => {
    const due: Due = {
      opened: [
        row('w2', 'fault', 'Error 1.'),
        row('w9', 'silent', 'Rare.'),
        row('w3', 'fault', 'Error 2.'),
        row('w1', 'fault', 'Error 2.')
      ],
      closed: [row('w7', 'offline', 'Away.')]
    }
    assert.equal(
      messageOf(due, { node: 'a', chargers: 10 }).text,
      'w9 silent. Rare.\nw1, w2, w3 reporting a fault. Error 2.\nw7 no longer offline.'
    )
  })
})
