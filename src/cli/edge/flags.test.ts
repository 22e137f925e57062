import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../model/errors.ts'
import { energyStartOf, readFlags } from './flags.ts'

function faultsOf(work: () => unknown): [path: string, found: string][] {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map(({ path, found }) => [path, found])
  }
  return assert.fail('no fault')
}

test('the configuration alone runs the edge; every other flag is off', () => {
  assert.deepEqual(readFlags(['--config', 'edge.yaml']), {
    config: 'edge.yaml',
    level: 'info',
    check: false,
    once: false,
    acceptsSerial: false,
    energyStart: []
  })
  const all = '--config x --log-level warn --check --once --accept-serial --energy-start-wh 1 --energy-start-wh wb=2'
  assert.deepEqual(readFlags(all.split(' ')), {
    config: 'x',
    level: 'warn',
    check: true,
    once: true,
    acceptsSerial: true,
    energyStart: ['1', 'wb=2']
  })
})

test('every fault of the flags is told at once', () => {
  assert.deepEqual(
    faultsOf(() => readFlags(['--log-level', 'loud'])),
    [
      ['--config', 'nothing'],
      ['--log-level', '"loud"']
    ]
  )
  for (const [arg, path] of [
    ['--unknown', 'flags'],
    ['--once=yes', '--once'],
    ['--energy-start-wh', '--energy-start-wh'],
    ['stray', 'arguments']
  ] as const) {
    assert.deepEqual(
      faultsOf(() => readFlags(['--config', 'x', arg])).map(([path]) => path),
      [path]
    )
  }
  assert.equal(faultsOf(() => readFlags(['--unknown', 'stray', '--config'])).length, 3)
})

const [one, two] = [[{ name: 'wb' }], [{ name: 'wb' }, { name: 'other' }]] as const

test('a start of the energy is of the one charger, or of the one that is named', () => {
  assert.deepEqual([...energyStartOf(['50000.5'], one)], [['wb', 50_000.5]])
  assert.deepEqual([...energyStartOf(['wb=0'], one)], [['wb', 0]])
  assert.deepEqual(
    [...energyStartOf(['other=7', 'wb=8'], two)],
    [
      ['other', 7],
      ['wb', 8]
    ]
  )
  assert.deepEqual([...energyStartOf([], two)], [])
})

test('a start of the energy of nobody, or that is no energy, is a fault; all are told at once', () => {
  const bad = ['5', 'foreign=5', 'wb=', 'wb=-1', 'wb=1e3', 'wb=x', '=5', 'wb=1=2']
  assert.deepEqual(
    faultsOf(() => energyStartOf([...bad, 'wb=1'], two)),
    bad.map(flag => ['--energy-start-wh', JSON.stringify(flag)])
  )
  assert.deepEqual(
    faultsOf(() => energyStartOf([''], one)).map(([path]) => path),
    ['--energy-start-wh']
  )
})
