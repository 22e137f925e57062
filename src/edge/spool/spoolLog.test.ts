import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readableLog } from '../testing/log.ts'
import { spoolLogIntervalMs } from './limits.ts'
import { faultLog, spoolLog } from './spoolLog.ts'

test('what a full spool gives up is told at once, then once a minute with its sum', () => {
  const { log, lines } = readableLog()
  let nowMs = 5
  const { onThinned, onDropped } = spoolLog(log, () => nowMs)
  onThinned(3)
  nowMs += spoolLogIntervalMs - 1
  onThinned(10)
  onDropped(1)
  nowMs += 1
  onThinned(7)
  assert.deepEqual(
    lines.map(({ event, thinned, dropped }) => [event, thinned ?? dropped]),
    [
      ['spool_thinned', 3],
      ['spool_full', 1],
      ['spool_thinned', 17]
    ]
  )
})

test('a damaged file is named, with what was found', () => {
  const { log, lines } = readableLog()
  spoolLog(log).onQuarantine('/data/spool.sqlite.damaged-1', new Error('page 7 is torn'), 12)
  const { event, file, saved } = lines[0]!
  assert.deepEqual([event, file, saved], ['spool_quarantined', '/data/spool.sqlite.damaged-1', 12])
  assert.match(JSON.stringify(lines[0]), /page 7 is torn/)
})

test('samples that cannot be written are told at once, then once a minute: how many, and the newest cause', () => {
  const { log, lines } = readableLog()
  let nowMs = 5
  const fail = faultLog(log, 'wb', () => nowMs)
  fail(new Error('read-only'))
  for (let i = 0; i < 4; i++) fail(new Error('full'))
  nowMs += spoolLogIntervalMs
  fail(new Error('still full'))
  assert.deepEqual(
    lines.map(({ event, charger, samples, err }) => [event, charger, samples, (err as Error).message]),
    [
      ['sample_failed', 'wb', 1, 'read-only'],
      ['sample_failed', 'wb', 5, 'still full']
    ]
  )
})
