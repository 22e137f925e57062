import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryDelayMaxMs, retryDelayMinMs } from './lane/limits.ts'
import { retryDelayMs, sqlState, type Verdict, verdictOf } from './retry.ts'

const verdicts: [string, string, Verdict][] = [
  ['23505', 'unique_violation', 'duplicate'],
  ['22P02', 'invalid_text_representation', 'data'],
  ['22003', 'numeric_value_out_of_range', 'data'],
  ['22021', 'character_not_in_repertoire', 'data'],
  ['22P03', 'invalid_binary_representation', 'data'],
  ['23502', 'not_null_violation', 'data'],
  ['23514', 'check_violation', 'data'],
  ['23P01', 'exclusion_violation', 'data'],
  ['08006', 'connection_failure', 'retry'],
  ['25006', 'read_only_sql_transaction', 'retry'],
  ['25P02', 'in_failed_sql_transaction', 'retry'],
  ['28P01', 'invalid_password', 'retry'],
  ['3D000', 'invalid_catalog_name', 'retry'],
  ['40001', 'serialization_failure', 'retry'],
  ['40P01', 'deadlock_detected', 'retry'],
  ['42P01', 'undefined_table', 'retry'],
  ['42501', 'insufficient_privilege', 'retry'],
  ['53100', 'disk_full', 'retry'],
  ['53300', 'too_many_connections', 'retry'],
  ['55P03', 'lock_not_available', 'retry'],
  ['57014', 'query_canceled', 'retry'],
  ['57P01', 'admin_shutdown', 'retry'],
  ['57P03', 'cannot_connect_now', 'retry'],
  ['58030', 'io_error', 'retry'],
  ['XX000', 'internal_error', 'retry'],
  ['ZZZZZ', 'unknown', 'retry']
]
test('only classes 22 and 23 are the fault of a row; everything else is kept and retried', () => {
  for (const [code, name, verdict] of verdicts) {
    assert.equal(verdictOf(Object.assign(new Error(name), { code })), verdict, `${code} ${name}`)
  }
})

test('what is no error of the database is kept and retried', () => {
  const errors = [
    undefined,
    null,
    'text',
    22,
    {},
    new Error('x'),
    { code: 22003 },
    { code: '' },
    { code: '2200' },
    { code: '220033' },
    { code: '22p02' },
    { code: '22003\n' },
    { code: 'ECONNREFUSED' },
    { code: 'EPIPE' }
  ]
  for (const error of errors) assert.equal(verdictOf(error), 'retry', JSON.stringify(error))
})

test('a SQLSTATE is five digits and capitals', () => {
  assert.equal(sqlState({ code: '40P01' }), '40P01')
  for (const code of ['40p01', '40P0', '40P011', 'ECONNRESET', '', 40_001, undefined, null]) {
    assert.equal(sqlState({ code }), undefined)
  }
  for (const error of [undefined, null, 'x', 5]) assert.equal(sqlState(error), undefined)
})

const delays: [attempt: number, random: number, ms: number][] = [
  [1, 0, 50],
  [1, 0.5, 75],
  [1, 0.999_999, 100],
  [2, 0, 50],
  [2, 0.5, 125],
  [3, 0.5, 225],
  [6, 0.5, 1_025],
  [6, 0.999_999, 2_000],
  [7, 0.5, 1_025],
  [1_000_000, 0.5, 1_025],
  [1_000_000, 0, 50]
]
test('the pause doubles its ceiling with each attempt up to the limit, with full jitter below it', () => {
  for (const [attempt, random, ms] of delays) assert.equal(retryDelayMs(attempt, 50, 2_000, random), ms, `${attempt}`)
})

test('the pause is never outside of its limits', () => {
  for (let attempt = 1; attempt < 2_000; attempt++) {
    const ms = retryDelayMs(attempt, retryDelayMinMs, retryDelayMaxMs, (attempt % 100) / 100)
    assert.ok(ms >= retryDelayMinMs && ms <= retryDelayMaxMs, `${attempt}: ${ms}`)
  }
})
