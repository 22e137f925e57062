import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '../../src/model/errors.ts'
import { atLeast, atMost } from '../budgets/budget.ts'
import { Histogram } from '../load/histogram.ts'
import { compareFiles, compareReports } from './compare.ts'
import { htmlReport } from './html.ts'
import { linePlot, ticks } from './plots.ts'
import { type Figures, median, medians, type Report, type Run, ratiosOf, reportFormat } from './result.ts'
import { formatNumber, terminalReport } from './terminal.ts'

function run(target: string, repeat: number, figures: Figures): Run {
  const histogram = new Histogram()
  for (let i = 1; i <= 100; i++) histogram.recordMs(i)
  const moment = { messagesPerSecond: 1_000, p50Ms: 5, p99Ms: 9, rssMb: 200 }
  return {
    target,
    repeat,
    verified: 'yes',
    figures,
    cpuUs: { main: 5, workers: 3, database: 2, generator: 1 },
    moments: [1, 2, 3].map(second => ({ second, ...moment })),
    latency: histogram.counts(),
    batchRows: [
      { atMost: 10, count: 3 },
      { atMost: null, count: 1 }
    ]
  }
}

function report(runs: readonly Run[], more: Partial<Report> = {}): Report {
  const results = medians(runs)
  return {
    format: reportFormat,
    scenario: 'fleet',
    startedAt: '2026-11-25T00:00:00.000Z',
    settings: { connections: 10 },
    machine: { cores: 2, cpu: 'a <cpu>', memoryMb: 1, kernel: '6', loadAverage: 0 },
    versions: { chargelift: '1', node: 'v24' },
    results,
    ratios: ratiosOf(results, 'chargelift'),
    skipped: [],
    failures: [],
    runs,
    ...more
  }
}

const fast = [
  run('chargelift', 1, { messagesPerSecond: 90_000, storingUs: 10 }),
  run('tutorial', 1, { messagesPerSecond: 1_000, storingUs: 200 }),
  run('chargelift', 2, { messagesPerSecond: 110_000, storingUs: 8 }),
  run('chargelift', 3, { messagesPerSecond: 100_000, storingUs: 9 })
]

test('repeats end in their median, and the product is set against each baseline', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  const { results, ratios } = report(fast)
  assert.deepEqual(results.chargelift, { messagesPerSecond: 100_000, storingUs: 9 })
  assert.deepEqual(ratios, [{ baseline: 'tutorial', speed: 100, cpu: 0.045 }])
})

test('the table has a column for each target, and the ratio', () => {
  const text = terminalReport(report(fast))
  assert.match(text, /messages committed\s+100,000\s+1,000\s+\/s/)
  assert.match(text, /server, main thread\s+5\s+5\s+us/)
  assert.match(text, /rows per batch, 4 batches: <= 10: 75 %, more: 25 %/)
  assert.match(text, /against tutorial: 100 times the messages per second, 0\.04\d? of the CPU per message stored/)
})

test('a run that was not verified has no speed anywhere', () => {
  const failed = report([], {
    failures: [{ target: 'chargelift', repeat: 1, findings: ['3 acknowledged and not stored'] }]
  })
  for (const text of [terminalReport(failed), htmlReport(failed)]) {
    assert.match(text, /not verified, no speed: 3 acknowledged and not stored/i)
    assert.doesNotMatch(text, /messages committed|CPU per message/)
  }
})

test('the HTML stands alone, and what it shows cannot be markup', () => {
  const html = htmlReport(report(fast))
  assert.doesNotMatch(html, /<script|src=|href=|url\(/)
  assert.match(html, /a &lt;cpu&gt;/)
  assert.equal(html.match(/<svg/g)!.length, 7)
  assert.doesNotMatch(html, /NaN|undefined|Infinity/)
})

test('compare tells the change of each figure and whether it is for the better', () => {
  const after = report([run('chargelift', 1, { messagesPerSecond: 120_000, storingUs: 9.1 })])
  const text = compareReports(report(fast), after)
  assert.match(text, /messages committed\s+100,000\s+120,000\s+\+20\.0 %\s+better \/s/)
  assert.match(text, /CPU per message: storing it\s+9\s+9\.10\s+\+1\.1 %\s+same\s+us/)
  assert.match(compareReports(after, report(fast)), /messages committed.*-16\.7 %\s+WORSE/)
})

test('compare warns where two results are hard to compare', () => {
  const other = report(fast, {
    scenario: 'paced',
    settings: { connections: 20 },
    machine: { cores: 8, cpu: 'b', memoryMb: 1, kernel: '6', loadAverage: 0 },
    failures: [{ target: 'tutorial', repeat: 1, findings: ['lost'] }]
  })
  const text = compareReports(report(fast), other)
  assert.match(text, /! different scenarios: fleet, paced/)
  assert.match(text, /! different machines: cores 2, 8/)
  assert.match(text, /! different --connections: 10, 20/)
  assert.match(text, /! after: tutorial was not verified/)
})

test('compare refuses what is no result, all faults at once', t => {
  const dir = mkdtempSync(join(tmpdir(), 'chargelift-bench-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const files = { good: join(dir, 'good.json'), other: join(dir, 'other.json'), absent: join(dir, 'absent.json') }
  writeFileSync(files.good, JSON.stringify(report(fast)))
  writeFileSync(files.other, '{"format": "something else"}')
  assert.match(compareFiles([files.good, files.good]), /\+0\.0 %/)
  assert.throws(
    () => compareFiles([files.other, files.absent]),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.deepEqual(
        error.faults.map(({ path }) => path),
        [files.other, files.absent]
      )
      return true
    }
  )
  assert.throws(() => compareFiles([files.good]), /expected two files/)
})

test('numbers are short, and axes are round', () => {
  assert.deepEqual([0, 0.0123, 1.234, 12.34, 1234.5, undefined].map(formatNumber), [
    '0',
    '0.01',
    '1.23',
    '12.3',
    '1,235',
    '-'
  ])
  assert.deepEqual(ticks(97), [0, 25, 50, 75, 100])
  assert.deepEqual(ticks(0), [0, 1])
  const plot = linePlot([{ name: 'a', points: [[1, 0]] }], { title: 't', xLabel: 'x', yLabel: 'y' })
  assert.doesNotMatch(plot, /NaN/)
})

test('budgets are told with their bounds, and a broken one says so', () => {
  const budgets = [atMost('edge: memory', 76, 110, 'MiB'), atLeast('page: <scrolling>', 42, 50, 'frames/s')]
  const of = report([], { scenario: 'budgets', budgets })
  const text = terminalReport(of)
  assert.match(text, /^edge: memory +76 +at most 110 +MiB$/m)
  assert.match(text, /^page: <scrolling> +42 +at least 50 +frames\/s +BROKEN$/m)
  assert.match(
    htmlReport(of),
    /<th>page: &lt;scrolling&gt;<\/th><td class="fault">42<\/td><td class="unit">at least 50 frames\/s<\/td>/
  )
  assert.doesNotMatch(terminalReport(report(fast)), /budget/)
})
