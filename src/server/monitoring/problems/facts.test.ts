// Tests facts about a charger, from entries of any sender.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeEnvelope } from '../../../model/wire/envelope.ts'
import { FactReader } from './facts.ts'

const value = (timeUs: number, word: string | number) => ({ timeUs, payload: encodeEnvelope({ timeUs, value: word }) })
const status = (told: object, timeUs = 9_000) => ({ timeUs, payload: JSON.stringify(told) })
const read = (entries: Record<string, { timeUs: number; payload: string }>) =>
  new FactReader().read(new Map(Object.entries(entries)))

describe('the facts of a charger', () => {
  it('are none where nothing was ever told; presence alone is nothing', () => {
    assert.equal(read({}), undefined)
    assert.equal(read({ Connection: value(1_000, 'online') }), undefined)
  })

  it('have the time of the newest value, in whatever order they came', () => {
    const [old, recent] = [value(1_000, 5), value(7_000, 'x')]
    assert.equal(read({ PowerOutput: old, ChargerStatus: recent })!.sampledMs, 7)
    assert.equal(read({ PowerOutput: recent, ChargerStatus: old })!.sampledMs, 7)
    const told = read({ PowerOutput: old, EdgeStatus: status({}), Connection: value(8_000, 'online') })!
    assert.equal(told.sampledMs, 1, 'EdgeStatus and presence are no values')
  })

  it('have presence and state with their beginning', () => {
    const facts = read({
      Connection: value(2_000, 'offline'),
      OperationState: value(3_000, 'charging'),
      ChargerStatus: value(1_000, 'Say "hi"')
    })!
    assert.deepEqual(facts.connection, { isOnline: false, sinceMs: 2 })
    assert.deepEqual(facts.state, { word: 'charging', sinceMs: 3 })
    assert.equal(facts.ownWord(), 'Say "hi"')
    assert.equal(facts.edge, undefined)
    const online = read({ Connection: value(2_000, 'online'), ChargerStatus: value(1_000, '') })!
    assert.equal(online.connection!.isOnline, true)
    assert.equal(online.ownWord(), undefined, 'an empty word is none')
    assert.equal(online.state, undefined)
  })

  it('have of an EdgeStatus what has the right type', () => {
    const odd = { Version: 5, Clock: '', UnsentSamples: -1, Dropped: '7', Thinned: null, OldestUnsent: 'soon' }
    const { edge } = read({ EdgeStatus: status(odd) })!
    assert.deepEqual(edge, {
      timeMs: 9,
      version: undefined,
      clock: undefined,
      certificateEndsMs: undefined,
      unsentSamples: 0,
      oldestUnsentMs: undefined,
      dropped: 0,
      thinned: 0,
      reachability: undefined,
      reachabilitySinceMs: undefined
    })
    const good = read({ EdgeStatus: status({ UnsentSamples: 1, OldestUnsent: '1970-01-01T00:00:01Z' }) })!.edge!
    assert.deepEqual([good.unsentSamples, good.oldestUnsentMs], [1, 1_000])
    assert.equal(read({ EdgeStatus: status({ Version: 'x'.repeat(65) }) })!.edge!.version!.length, 64)
  })

  it('of an EdgeStatus that has not changed are not read again, and of one that has are', () => {
    const reader = new FactReader()
    const entry = status({ Clock: 'system' })
    const entries = new Map([['EdgeStatus', entry]])
    const first = reader.read(entries)!.edge
    assert.equal(reader.read(entries)!.edge, first)
    entry.payload = JSON.stringify({ Clock: 'leapt' })
    assert.equal(reader.read(entries)!.edge!.clock, 'leapt')
  })
})
