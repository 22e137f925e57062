import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bucketsBetween, parseMetrics, risen, scrape } from './metrics.ts'

const text = (small: number, all: number, total: number): string => `
# HELP rows of a batch
rows_bucket{le="10"} ${small}
rows_bucket{le="+Inf"} ${all}
rows_sum ${total}
rows_count ${all}
rejected_total{reason="bad_time"} 2
rejected_total{reason="not_json"} 3
`

test('counters rise between two scrapes, and buckets count what fell into each', () => {
  const [before, after] = [parseMetrics(text(1, 2, 30), 0), parseMetrics(text(4, 7, 230), 1_000)]
  assert.equal(risen(before, after, 'rows_sum'), 200)
  assert.equal(before.values.get('rejected_total'), 5)
  assert.deepEqual(bucketsBetween(before, after, 'rows'), [
    { atMost: 10, count: 3 },
    { atMost: null, count: 2 }
  ])
})

test('a server without metrics is no fault', async () => {
  assert.equal(await scrape(undefined), undefined)
  assert.equal(await scrape('http://127.0.0.1:1/metrics'), undefined)
  assert.equal(risen(undefined, undefined, 'rows_sum'), undefined)
  assert.deepEqual(bucketsBetween(undefined, undefined, 'rows'), [])
})
