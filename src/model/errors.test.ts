import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, configErrorOf, DeniedError, exitCodeConfig, RejectedError, RetryableError } from './errors.ts'

test('an error tells its class, its stable code and its message', () => {
  const errors = [
    new RetryableError('database_away', 'm'),
    new RejectedError('not_json', 'm'),
    new DeniedError('revoked', 'm')
  ]
  assert.deepEqual(
    errors.map(error => [error.name, error.code, error.message, error instanceof Error]),
    [
      ['RetryableError', 'database_away', 'm', true],
      ['RejectedError', 'not_json', 'm', true],
      ['DeniedError', 'revoked', 'm', true]
    ]
  )
})

test('no class of error is another one: each is named by what its caller does', () => {
  const classes = [RetryableError, RejectedError, DeniedError, ConfigError]
  const denied = new DeniedError('revoked', 'm')
  assert.deepEqual(
    classes.map(one => denied instanceof one),
    [false, false, true, false]
  )
})

test('the cause is kept', () => {
  const cause = new Error('connection reset')
  assert.equal(new RetryableError('database_away', 'm', { cause }).cause, cause)
  assert.equal(new ConfigError([], { cause }).cause, cause)
  assert.equal('cause' in new RetryableError('database_away', 'm'), false)
})

test('a configuration error lists all its faults, a line each, with path, expectation and finding', () => {
  const faults = [
    { path: '--http-port', expected: 'a port', found: '"x"' },
    { path: 'chargers[0].url', expected: 'a URL', found: 'none' }
  ]
  const error = new ConfigError(faults)
  assert.equal(error.message, '--http-port: expected a port, found "x"\nchargers[0].url: expected a URL, found none')
  assert.deepEqual(error.faults, faults)
  assert.equal(error.code, 'config')
})

test('a fault that has a sentence of its own is told by it', () => {
  const fault = { path: 'flags', expected: 'a flag', found: '--x', sentence: 'Unknown flag --x.' }
  assert.equal(new ConfigError([fault]).message, 'Unknown flag --x.')
})

test('bad configuration ends with EX_CONFIG of sysexits', () => {
  assert.equal(exitCodeConfig, 78)
})

test('a configuration error is found also as the cause of a start whose parts fail to close', () => {
  const fault = new ConfigError([{ path: '--http-port', expected: 'a port', found: '"x"' }])
  const other = new Error('the database does not stop')
  assert.equal(configErrorOf(fault), fault)
  assert.equal(configErrorOf(new AggregateError([fault, other], 'both', { cause: fault })), fault)
  assert.equal(configErrorOf(new AggregateError([other, fault], 'both', { cause: other })), undefined)
  assert.equal(configErrorOf(other), undefined)
  assert.equal(configErrorOf(undefined), undefined)
})
