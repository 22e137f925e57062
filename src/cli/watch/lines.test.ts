import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jsonLines, textLines } from './lines.ts'

describe('the lines of tail', () => {
  const readings = {
    event: 'reading',
    data: JSON.stringify([
      { charger: 'w1', name: 'PowerOutput', time: '2026-11-28T12:00:00.000Z', value: 7200.5 },
      { charger: 'w1', name: 'ConnectedVehicle', time: '2026-11-28T12:00:00.000Z', value: '' },
      { charger: 'w2', name: 'ChargerStatus', time: '2026-11-28T12:00:00.000Z', value: 'Error\u001b[2J' }
    ])
  }

  it('have the unit of a value, and nothing that a terminal obeys', () => {
    assert.deepEqual(textLines(readings), [
      '2026-11-28T12:00:00.000Z  w1  PowerOutput             7200.5 W',
      '2026-11-28T12:00:00.000Z  w1  ConnectedVehicle        ""',
      '2026-11-28T12:00:00.000Z  w2  ChargerStatus           Error\ufffd[2J'
    ])
    assert.equal(JSON.parse(jsonLines(readings)[0]!).value, 7200.5)
    assert.equal(JSON.parse(jsonLines(readings)[0]!).event, 'reading')
  })

  it('tell presence and edge status, and leave out the rest', () => {
    const connection = { charger: 'w1', state: 'offline', since: '2026-11-28T12:00:00.000Z' }
    assert.deepEqual(textLines({ event: 'connection', data: JSON.stringify([connection]) }), [
      '2026-11-28T12:00:00.000Z  w1  Connection              offline'
    ])
    const status = { SamplingTime: '2026-11-28T12:00:00.000Z', Version: '0.1.0', UnsentSamples: 3 }
    assert.deepEqual(textLines({ event: 'status', data: JSON.stringify([{ charger: 'w1', status }]) }), [
      '2026-11-28T12:00:00.000Z  w1  EdgeStatus              Version=0.1.0 UnsentSamples=3'
    ])
    assert.deepEqual([...textLines({ event: 'ingest', data: '{}' }), ...jsonLines({ event: 'ingest', data: '{}' })], [])
  })
})
