import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEntries } from './sharedShadow.ts'

test('what another server tells is topics, times and payloads; a line that is cut off is none', () => {
  const text =
    'chargers/c1/PowerOutput\t1700000000000001\t{"Value":"\u00fc"}\nchargers/c2/EdgeStatus\t2\t{}\nchargers/c3/Po'
  const { topics, timesUs, payloads } = parseEntries(Buffer.from(text))
  assert.deepEqual(topics, ['chargers/c1/PowerOutput', 'chargers/c2/EdgeStatus'])
  assert.deepEqual([...timesUs], [1_700_000_000_000_001, 2])
  assert.deepEqual(payloads, ['{"Value":"\u00fc"}', '{}'])
  assert.deepEqual(parseEntries(Buffer.from('')).topics, [])
})
