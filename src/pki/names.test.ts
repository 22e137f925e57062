import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigFault } from '../model/errors.ts'
import { certificateChargersMax } from './limits.ts'
import { type DeviceDraft, planDevice, planHosts } from './names.ts'

const limit = { days: 3_650, reason: 'the longest allowed' }

function plan(draft: Partial<DeviceDraft>, days = limit) {
  const faults: ConfigFault[] = []
  const whole = { name: 'wb-1', role: '', chargers: [], days: '', ...draft }
  return { plan: planDevice(whole, days, field => field, faults), faults }
}
const faultyFields = (draft: Partial<DeviceDraft>, days = limit): string[] =>
  plan(draft, days).faults.map(({ path }) => path)

test('a name that is no CN, topic level and file name at once is refused', () => {
  const bad = ['', '.', '..', '.hidden', '-a', '_a', 'a/b', '../a', 'a\0', 'a\n', 'a b', 'ä', 'a+b', 'x'.repeat(65)]
  for (const name of bad) assert.deepEqual(faultyFields({ name }), ['name'], JSON.stringify(name))
  for (const name of ['a', '1', 'A.b-c_d', 'x'.repeat(64)]) assert.deepEqual(faultyFields({ name }), [], name)
})

test('what is left out becomes the default', () => {
  assert.deepEqual(plan({}).plan, { name: 'wb-1', role: 'edge', chargers: [], days: 825 })
})

test('all faults of a device are told at once', () => {
  const draft = { name: '/', role: 'Edge', chargers: ['ok', 'not ok', ''], days: '0' }
  assert.deepEqual(faultyFields(draft), ['name', 'role', 'chargers', 'chargers', 'days'])
})

test('a lifetime is a whole number of days within the limit', () => {
  for (const days of ['0', '3651', '-1', '1.5', '1e2', '0x10', ' 5', 'x', 'NaN', 'Infinity']) {
    assert.deepEqual(faultyFields({ days }), ['days'], days)
  }
  for (const days of ['1', '3650', '007']) assert.deepEqual(faultyFields({ days }), [], days)
})

test('a lifetime beyond that of the CA is refused, the default one too', () => {
  const short = { days: 100, reason: 'the CA ends 2030-01-01' }
  const [given] = plan({ days: '101' }, short).faults
  assert.match(given!.expected, /1 to 100 \(the CA ends 2030-01-01\)/)
  assert.equal(plan({}, short).faults[0]!.found, '825, the default')
  assert.match(plan({}, { days: 0, reason: 'the CA ends today' }).faults[0]!.expected, /make a new one/)
})

test('an operator names no chargers, the others name each once and not too many', () => {
  assert.deepEqual(faultyFields({ role: 'operator', chargers: ['a'] }), ['chargers'])
  assert.deepEqual(plan({ role: 'consumer', chargers: ['a', 'b', 'a'] }).plan.chargers, ['a', 'b'])
  const many = Array.from({ length: certificateChargersMax + 1 }, (_, index) => `c${index}`)
  assert.deepEqual(faultyFields({ chargers: many }), ['chargers'])
  assert.deepEqual(faultyFields({ chargers: many.slice(1) }), [])
})

test('hosts come out in one normal form, each once', () => {
  const faults: ConfigFault[] = []
  const hosts = [
    'Cloud.Example.COM',
    'cloud.example.com',
    '10.0.0.1',
    '2001:DB8:0::1',
    '::1',
    'bücher.example',
    'my_host'
  ]
  const expected = ['cloud.example.com', '10.0.0.1', '2001:db8::1', '::1', 'xn--bcher-kva.example', 'my_host']
  assert.deepEqual(planHosts(hosts, faults), expected)
  assert.deepEqual(faults, [])
})

test('what is no host is refused, every one by name', () => {
  const bad = [
    '',
    'a b',
    'mqtts://a',
    'a:8883',
    '[::1]',
    'fe80::1%eth0',
    '1.2.3',
    '256.1.1.1',
    '-a',
    'a-',
    'a..b',
    '*.a',
    'a\0b'
  ]
  for (const host of bad) {
    const faults: ConfigFault[] = []
    planHosts([host, 'good'], faults)
    assert.equal(faults.length, 1, JSON.stringify(host))
    assert.equal(faults[0]!.found, JSON.stringify(host))
  }
  const faults: ConfigFault[] = []
  planHosts([], faults)
  planHosts(['x'.repeat(64), `${'y'.repeat(60)}.`.repeat(5)], faults)
  assert.equal(faults.length, 3)
})
