import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { IngestFigures, Problem } from '../../model/api/api.ts'
import { summary, view } from './view.ts'

const figures: IngestFigures = {
  time: '2026-11-28T12:00:00.000Z',
  node: 'cloud-1:8883',
  version: '0.1.0',
  receivedPerSecond: 5_012.4,
  committedPerSecond: 5_010,
  rejectedPerSecond: 0,
  rowsPerSecond: 1_253,
  received: 12_345_678,
  committed: 12_345_500,
  dropped: 0,
  inFlight: 175,
  rejected: { not_json: 1, conflict: 2 },
  batchSeconds: { p50: 0.0031, p99: 0.0123 },
  ackSeconds: { p50: 0.0142, p99: 0.231 },
  lanes: [
    { lane: 0, backlog: 120, late: false },
    { lane: 1, backlog: 55, late: false },
    { lane: 2, backlog: 0, late: true }
  ],
  database: { up: true, reason: null, failedJobs: 0 },
  connections: 2_000,
  memory: { usedBytes: 12.4 * 1024 * 1024, limitBytes: 256 * 1024 * 1024 },
  certificateDays: 640,
  chargers: 2_001,
  problems: { silent: 3, offline: 12, unreachable: 0, fault: 0, backlog: 0, clock: 0, certificate: 0, version: 0 }
}
const problem = (i: number): Problem => ({
  charger: `wallbox-${i}`,
  condition: 'silent',
  cause: 'No new values from this charger, although its edge is connected: restart the edge.',
  since: new Date(Date.parse(figures.time) - i * 600_000).toISOString()
})

describe('the view of top', () => {
  it('fits 80 columns, and says what counts', () => {
    const lines = view(figures, [problem(300), problem(1)], { width: 80, height: 24 })
    assert.deepEqual(lines, [
      'chargelift 0.1.0  cloud-1:8883                           2026-11-28 12:00:00 UTC',
      'database up   connections 2,000   certificate 640 days   memory 12 of 256 MB',
      '',
      'messages      a second     since start',
      'received         5,012      12,345,678   in flight 175',
      'committed        5,010      12,345,500   dropped 0',
      'rejected             0               3   conflict 2, not_json 1',
      'rows             1,253',
      'last minute: commit p50 3.1 ms, p99 12.3 ms   ack p50 14.2 ms, p99 231 ms',
      '',
      'lane              0        1     late',
      'waiting         120       55        0',
      '',
      'chargers 2,001   silent 3  offline 12',
      'CHARGER              CONDITION       FOR  CAUSE',
      'wallbox-1            silent       10 min  No new values from this charger, alth…',
      'wallbox-300          silent       2 days  No new values from this charger, alth…'
    ])
  })

  it('never has more lines or columns than there is room for, and tells how many problems it does not show', () => {
    const problems = Array.from({ length: 3_000 }, (_, i) => problem(i + 1))
    for (const height of [1, 5, 14, 15, 16, 17, 24, 60]) {
      for (const width of [20, 80, 200]) {
        const lines = view(figures, problems, { width, height })
        assert.ok(lines.length <= height, `${lines.length} of ${height}`)
        for (const line of lines) assert.ok([...line].length <= width, line)
      }
    }
    const lines = view(figures, problems, { width: 80, height: 24 })
    assert.equal(lines.length, 24)
    assert.match(lines.at(-1)!, /^\.\.\. and 2,992 more/)
    assert.equal(view(figures, problems, { width: 80, height: Number.POSITIVE_INFINITY }).length, 3_015)
  })

  it('shows loudly when the database is down, and why', () => {
    const away = { ...figures, database: { up: false, reason: 'nothing within 2 s', failedJobs: 0 } }
    assert.match(view(away, [], { width: 80, height: 24 }).join('\n'), /^DATABASE DOWN .*\nnothing within 2 s$/m)
    assert.match(summary(away), /DATABASE DOWN/)
    assert.match(summary(figures), /database up {2}received 5,012\/s .* ack p99 231 ms .* silent 3 {2}offline 12$/)
  })

  it('what devices say gives no order to the terminal', () => {
    const evil = { ...problem(1), cause: 'The charger reports a fault: "\u001b]0;title\u0007\u009b2J\n".' }
    const lines = view(figures, [evil], { width: 200, height: 24 })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
    for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/)
  })
})
