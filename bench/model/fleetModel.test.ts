import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fleet, needsOf, predictedPerSecond, type UnitCosts } from './fleetModel.ts'

const costs: UnitCosts = {
  serverUs: 10,
  mainUs: 8,
  databaseUs: 2,
  fullHandshakeMs: 1,
  resumedHandshakeMs: 0.5,
  kbPerConnection: 64,
  processMb: 128,
  sharedFactor: 1.1,
  foreignUs: 1,
  trickleCores: 0.1,
  rowBytes: 100,
  compressedRowBytes: 10
}
const machine = { cores: 4, memoryMb: 16_384, load: 0.5 }
const fleet = (chargers: number): Fleet => ({
  chargers,
  pollSeconds: 10,
  values: 4,
  activeShare: 0.5,
  chargingHoursPerDay: 4
})

test('a fleet that one process can carry needs one, and no neighbour', () => {
  const needs = needsOf(fleet(10_000), costs, machine)
  assert.equal(needs.messagesPerSecond, 2_000)
  assert.equal(needs.rowsPerSecond, 500)
  assert.deepEqual([needs.processes, needs.serverMachines, needs.first], [1, 1, 'nothing'])
  assert.equal(needs.serverCores.toFixed(6), '0.060000') // 2,000 x 10 us, and 2,000 / 5,000 of the trickle
  assert.equal(needs.serverMemoryMb, 128 + 625)
  assert.equal(needs.rowsPerYear, 10_000 * 1_440 * 365)
  assert.equal(needs.gbPerYear.toFixed(1), '525.6')
  assert.deepEqual([needs.stormFullSeconds, needs.stormResumedSeconds], [10, 5])
})

test('more processes where the main thread is full, each of which hears of the others; and a machine to spare', () => {
  const needs = needsOf(fleet(1_000_000), costs, machine)
  assert.equal(needs.messagesPerSecond, 200_000)
  assert.equal(needs.processes, 6) // 200,000 x (8.8 + 5) us / 6 is 0.46 of a core
  assert.equal(needs.serverCores.toFixed(6), '3.800000') // 200,000 x (11 + 5) us, and the trickle of six
  assert.equal(needs.serverMachines, Math.ceil(1_000_000 / 16 / (16_384 * 0.5) + 0.1) + 1)
  assert.equal(needs.first, 'server memory')
})

test('news that alone fills a process is no fleet to be shared so', () => {
  assert.throws(() => needsOf(fleet(10_000_000), costs, machine), /news alone/)
})

test('a run is bound by all cores or by its main threads', () => {
  const run = { cores: 2, processes: 1, serverUs: 10, mainUs: 8, databaseUs: 2, generatorUs: 8 }
  assert.equal(predictedPerSecond(run, 1), 100_000)
  assert.equal(predictedPerSecond({ ...run, generatorUs: 1 }, 1), 125_000)
  assert.equal(predictedPerSecond({ ...run, generatorUs: 1, processes: 2 }, 1), 2e6 / 13)
})
