import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../src/model/errors.ts'
import { baselineNames, flagsHelp, readSettings, shownSettings } from './settings.ts'

const faultsOf = (...args: string[]): string[] => {
  try {
    readSettings(args, {})
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map(({ path }) => path)
  }
}

test('flags win over the defaults of the scenario, which win over those of the bench', () => {
  const { connections, values, rate, qos } = readSettings(['--values', '2'], { connections: 7, values: 3 })
  assert.deepEqual({ connections, values, rate, qos }, { connections: 7, values: 2, rate: undefined, qos: 1 })
})

test('all faults are told at once', () => {
  assert.deepEqual(
    faultsOf('--connections', '0', '--values=9', '--seconds', 'x', '--nonsense', '--server', 'http://a'),
    ['--connections', '--values', '--seconds', 'flags', '--server']
  )
  assert.deepEqual(faultsOf('word', '--rate'), ['flags', '--rate'])
})

test('settings that contradict each other are faults', () => {
  assert.deepEqual(faultsOf('--qos', '0'), ['--qos'])
  assert.deepEqual(faultsOf('--qos', '0', '--rate', '10'), [])
  assert.deepEqual(faultsOf('--window', '3'), ['--window'])
  assert.deepEqual(faultsOf('--server', 'mqtts://localhost:8883'), ['--database-url', '--certs'])
  assert.deepEqual(
    faultsOf('--server', 'mqtts://[::1]', '--database-url', 'postgres://a/b', '--certs', 'c', '--baselines', 'floor'),
    ['--baselines']
  )
})

test('a server is a host and a port, 8883 unless given', () => {
  const more = ['--database-url', 'postgres://a/b', '--certs', 'c']
  assert.deepEqual(readSettings(['--server', 'mqtts://[::1]', ...more], {}).server, { host: '::1', port: 8883 })
  assert.deepEqual(readSettings(['--server', 'mqtts://h:1', ...more], {}).server, { host: 'h', port: 1 })
})

test('baselines are names, or all', () => {
  assert.deepEqual(readSettings(['--baselines', 'all'], {}).baselines, baselineNames)
  assert.deepEqual(readSettings(['--baselines', 'floor,tutorial'], {}).baselines, ['floor', 'tutorial'])
  assert.deepEqual(faultsOf('--baselines', 'floor,none'), ['--baselines'])
})

test('a switch takes no value', () => {
  assert.equal(readSettings([], {}).strict, undefined)
  assert.equal(readSettings(['--strict', '--qos', '2'], {}).strict, true)
  assert.deepEqual(faultsOf('--strict=yes'), ['--strict'])
})

test('a password is never shown, in no fault and in no report', () => {
  const url = 'postgres://me:geheim@host/db'
  assert.doesNotMatch(JSON.stringify(shownSettings(readSettings(['--database-url', url], {}))), /geheim/)
  assert.throws(
    () => readSettings(['--database-url', `x${url}`], {}),
    (error: Error) => !error.message.includes('geheim')
  )
})

test('the help names every flag', () => {
  for (const flag of [
    'connections',
    'values',
    'rate',
    'seconds',
    'qos',
    'workers',
    'database-url',
    'server',
    'certs',
    'strict',
    'json'
  ])
    assert.match(flagsHelp(), new RegExp(`--${flag} `))
})
