// Which chargers rest until when, and how the summary names them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Failing, summaryOf } from './failing.ts'
import { historyFailingRestMs } from './limits.ts'

const failing = (charger: string, reason = 'why') => ({ charger, reason })

describe('chargers that fail', () => {
  it('rest for an hour, and are tried again when it is over', () => {
    const all = new Failing()
    all.add(1, failing('w1'), 1_000)
    assert.deepEqual(all.restingAt(1_000), [1])
    assert.deepEqual(all.restingAt(1_000 + historyFailingRestMs - 1), [1])
    assert.deepEqual(all.restingAt(1_000 + historyFailingRestMs), [])
    assert.ok(all.has(1), 'it still fails')
  })

  it('rest for another hour when they fail again, with the newer reason', () => {
    const all = new Failing()
    all.add(1, failing('w1', 'first'), 0)
    all.add(1, failing('w1', 'second'), historyFailingRestMs)
    assert.deepEqual(all.restingAt(2 * historyFailingRestMs - 1), [1])
    assert.deepEqual(all.restingAt(2 * historyFailingRestMs), [])
    assert.deepEqual(all.all, [failing('w1', 'second')])
  })

  it('rest each for itself', () => {
    const all = new Failing()
    all.add(1, failing('w1'), 0)
    all.add(2, failing('w2'), 10)
    assert.deepEqual(all.restingAt(historyFailingRestMs), [2])
    assert.deepEqual(all.ids, [1, 2])
  })

  it('are forgotten when they are mended', () => {
    const all = new Failing()
    for (const id of [1, 2, 3]) all.add(id, failing(`w${id}`), 0)
    all.keepOnly([2, 9])
    assert.deepEqual(all.ids, [2])
    assert.equal(all.has(9), false)
    all.keepOnly([])
    assert.deepEqual(all.all, [])
  })

  it('are named in a few words', () => {
    assert.equal(summaryOf([]), undefined)
    assert.equal(summaryOf([failing('w1', 'no zone')]), 'charger w1: no zone')
    assert.equal(summaryOf([failing('w1', 'no zone'), failing('w2')]), 'charger w1 (and 1 more): no zone')
    assert.equal(summaryOf([failing('w1', 'a'), failing('w2'), failing('w3')]), 'charger w1 (and 2 more): a')
  })
})
