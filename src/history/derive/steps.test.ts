// How far a step of maintenance goes, and how many ranges the next step takes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import pg from 'pg'
import { acceptFutureMs } from '../../model/wire/limits.ts'
import { historyStepMs, unsettledMs } from './limits.ts'
import { isDataError, pauseUntilMs, rangesAtOnceAfter, type Step, stepFrom } from './steps.ts'

const nowMs = Date.parse('2026-10-10T12:00:00Z')
const minuteMs = 60_000
const aheadMs = acceptFutureMs + minuteMs

describe('a step through time', () => {
  const steps: [what: string, fromMs: number, rawFromMs: number, step: Step][] = [
    [
      'is a day long where more than a day is left',
      nowMs - historyStepMs - 1,
      -Infinity,
      {
        toMs: nowMs - 1,
        isLast: false,
        window: { fromMs: nowMs - historyStepMs - 1 - unsettledMs, toMs: nowMs - 1 }
      }
    ],
    [
      'is the last one where a day is left: it looks ahead by what clocks may differ',
      nowMs - historyStepMs,
      -Infinity,
      { toMs: nowMs, isLast: true, window: { fromMs: nowMs - historyStepMs - unsettledMs, toMs: nowMs + aheadMs } }
    ],
    [
      'is short where the last turn was a moment ago',
      nowMs - minuteMs,
      -Infinity,
      { toMs: nowMs, isLast: true, window: { fromMs: nowMs - minuteMs - unsettledMs, toMs: nowMs + aheadMs } }
    ],
    [
      'begins where raw rows begin',
      nowMs - minuteMs,
      nowMs - 2 * minuteMs,
      { toMs: nowMs, isLast: true, window: { fromMs: nowMs - 2 * minuteMs, toMs: nowMs + aheadMs } }
    ],
    [
      'looks at nothing where all raw rows of it are gone',
      nowMs - 2 * historyStepMs,
      nowMs - historyStepMs,
      { toMs: nowMs - historyStepMs, isLast: false, window: undefined }
    ],
    [
      'looks at the last millisecond that is left',
      nowMs - 2 * historyStepMs,
      nowMs - historyStepMs - 1,
      {
        toMs: nowMs - historyStepMs,
        isLast: false,
        window: { fromMs: nowMs - historyStepMs - 1, toMs: nowMs - historyStepMs }
      }
    ],
    [
      'goes nowhere where the clock of the database went back',
      nowMs + minuteMs,
      -Infinity,
      { toMs: nowMs, isLast: true, window: { fromMs: nowMs + minuteMs - unsettledMs, toMs: nowMs + aheadMs } }
    ]
  ]
  for (const [what, fromMs, rawFromMs, step] of steps) {
    it(what, () => assert.deepEqual(stepFrom(fromMs, nowMs, rawFromMs), step))
  }
})

describe('the ranges of the next step', () => {
  const sizes: [tookMs: number, was: number, next: number][] = [
    [0, 1, 2],
    [99, 4, 8],
    [99, 250, 500],
    [99, 251, 500],
    [99, 500, 500],
    [100, 4, 4],
    [400, 4, 4],
    [401, 4, 2],
    [401, 5, 2],
    [401, 1, 1]
  ]
  for (const [tookMs, was, next] of sizes) {
    it(`after ${was} in ${tookMs} ms are ${next}`, () => assert.equal(rangesAtOnceAfter(tookMs, was), next))
  }
})

describe('the pause for a busy server', () => {
  it('is nine times as long as the work', () => assert.equal(pauseUntilMs(1_000, 1_100, 0), 2_000))
  it('ends when the turn has lasted five minutes', () => {
    assert.equal(pauseUntilMs(290_000, 299_000, 0), 300_000)
    assert.equal(pauseUntilMs(290_000, 299_000, 5_000), 305_000)
  })
  it('is none in a turn that has lasted longer', () => assert.ok(pauseUntilMs(300_001, 300_002, 0) <= 300_002))
})

describe('an error while a charger is derived', () => {
  const databaseError = (code: string | undefined): pg.DatabaseError => {
    return Object.assign(new pg.DatabaseError('x', 0, 'error'), { code })
  }
  const errors: [what: string, error: unknown, isData: boolean][] = [
    ['a number out of range (22003)', databaseError('22003'), true],
    ['a key that is there twice (23505)', databaseError('23505'), true],
    ['a table that is not there (42P01)', databaseError('42P01'), false],
    ['a disk that is full (53100)', databaseError('53100'), false],
    ['a statement that is cancelled (57014)', databaseError('57014'), false],
    ['a class that only ends like it (02200)', databaseError('02200'), false],
    ['an error of the database without a code', databaseError(undefined), false],
    ['an error of ours', new RangeError('no such zone'), true]
  ]
  for (const [what, error, isData] of errors) {
    it(`${what} is ${isData ? 'for its data' : 'not for its data'}`, () => assert.equal(isDataError(error), isData))
  }
})
