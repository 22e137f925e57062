// Tests when the server is ready, and which warnings it shows.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordedDb } from '../../history/testing/recordedDb.ts'
import { attemptSlowMs } from './limits.ts'
import { type ReadinessParts, readiness } from './readiness.ts'

const nowMs = Date.parse('2026-10-01T00:00:00Z')

interface State {
  readonly attempts?: readonly (number | undefined)[]
  readonly trouble?: object
  readonly databaseError?: Error
  readonly stall?: string
  readonly warnings?: readonly string[]
  readonly last?: object
  readonly link?: object
}
const partsOf = ({ attempts = [], trouble, databaseError, stall, warnings = [], last, link }: State): ReadinessParts =>
  ({
    db: new RecordedDb(databaseError ? [['SELECT 1', databaseError]] : []).db,
    ingest: { trouble, lanes: attempts.map(attemptSinceMs => ({ attemptSinceMs })) },
    progress: { stall },
    maintenance: { last },
    credentials: { warnings },
    link
  }) as unknown as ReadinessParts

const cases: [what: string, state: State, reasons: string[]][] = [
  ['all is well', { attempts: [undefined, nowMs] }, []],
  ['a batch takes as long as it may', { attempts: [nowMs - attemptSlowMs] }, []],
  [
    'a batch takes longer',
    { attempts: [nowMs - 1, nowMs - attemptSlowMs - 1_000, undefined] },
    ['a batch has been with the database for 16 s']
  ],
  [
    'batches are retried',
    { trouble: { message: 'refused', code: '53300' } },
    ['batches are kept and retried: refused (53300)']
  ],
  ['the database is away', { databaseError: new Error('refused') }, ['the database does not answer: refused']],
  ['nothing is settled', { stall: 'none of them was settled' }, ['none of them was settled']],
  [
    'nothing is settled because the database is away: that is the reason',
    { stall: 'none', databaseError: new Error('refused') },
    ['the database does not answer: refused']
  ],
  [
    'several things are wrong',
    { attempts: [nowMs - 20_000], trouble: { message: 'm', code: 'c' }, stall: 's' },
    ['a batch has been with the database for 20 s', 'batches are kept and retried: m (c)', 's']
  ]
]
for (const [what, state, reasons] of cases) {
  test(`the server is ${reasons.length === 0 ? 'ready' : 'not ready'} when ${what}`, async t => {
    t.mock.timers.enable({ apis: ['Date'], now: nowMs })
    const found = await readiness(partsOf(state))
    assert.deepEqual([found.ready, found.reasons], [reasons.length === 0, reasons])
  })
}

const history = (what: string): string => `history is not brought up to date: ${what}`
const redis = 'Redis is away: sessions and takeovers are not shared; readings are stored'
const warnings: [what: string, state: State, warnings: string[]][] = [
  ['nothing', { last: { failing: [] }, link: { isReachable: true } }, []],
  ['the certificates', { warnings: ['ends soon'] }, ['ends soon']],
  ['history that fails', { last: { failure: 'no table', failing: [] } }, [history('no table')]],
  ['a charger that fails', { last: { failing: [{ charger: 'w1', reason: 'zone' }] } }, [history('charger w1: zone')]],
  ['Redis that is away', { link: { isReachable: false } }, [redis]]
]
for (const [what, state, expected] of warnings) {
  test(`a server that is ready warns of ${what}`, async () => {
    const { ready, warnings } = await readiness(partsOf(state))
    assert.deepEqual([ready, warnings], [true, expected])
  })
}
