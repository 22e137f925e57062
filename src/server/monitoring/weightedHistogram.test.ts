import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { quantileOf, WeightedHistogram } from './weightedHistogram.ts'

const open = (): { histogram: WeightedHistogram; registry: Registry } => {
  const registry = new Registry()
  const histogram = new WeightedHistogram({
    name: 'wait_seconds',
    help: 'Waits.',
    buckets: [0.01, 0.1, 1]
  })
  registry.registerMetric(histogram.metric)
  return { histogram, registry }
}

describe('weighted histogram', () => {
  it('is told to Prometheus in cumulative buckets, with sum and count', async () => {
    const { histogram, registry } = open()
    histogram.observe(0.01, 3) // a value at a bound belongs to the bucket of the bound
    histogram.observe(0.5)
    histogram.observe(7, 2)
    assert.equal(
      await registry.metrics(),
      `# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.01"} 3
wait_seconds_bucket{le="0.1"} 3
wait_seconds_bucket{le="1"} 4
wait_seconds_bucket{le="+Inf"} 6
wait_seconds_sum 14.53
wait_seconds_count 6
`
    )
  })

  it('quantiles are those since the given moment, and undefined when nothing came', () => {
    const { histogram } = open()
    histogram.observe(5, 1_000)
    const before = histogram.counts()
    assert.equal(histogram.quantile(0.5, before), undefined)
    histogram.observe(0.05, 90)
    histogram.observe(0.2, 10)
    assert.ok(Math.abs(histogram.quantile(0.5, before)! - 0.06) < 0.001)
    assert.ok(Math.abs(histogram.quantile(0.99, before)! - 0.91) < 0.001)
    histogram.observe(60, 1_000)
    assert.equal(histogram.quantile(0.99, before), 1, 'no more is known than the last bound')
  })

  it('a quantile at the edge of a bucket lies in this bucket, not above the empty ones behind it', () => {
    assert.equal(quantileOf(1, [0.01, 0.1, 1], [0, 4, 0, 0]), 0.1)
    assert.equal(quantileOf(0.5, [0.01, 0.1, 1], [2, 0, 2, 0]), 0.01)
  })
})
