import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { conditions } from '../../../model/api/problem.ts'
import type { ChargerFacts, EdgeFacts } from './facts.ts'
import { backlogAgeMs, certificateSoonMs } from './limits.ts'
import { compareReleases, judge, type Surroundings } from './rules.ts'

const nowMs = Date.parse('2026-11-28T12:00:00Z')
const minuteMs = 60_000
const dayMs = 86_400_000
const around: Surroundings = { nowMs, storingSinceMs: 0, silentAfterMs: 35 * minuteMs, version: '0.4.1' }

const edge: EdgeFacts = {
  timeMs: nowMs - minuteMs,
  version: '0.4.0',
  clock: 'synchronised',
  certificateEndsMs: nowMs + 400 * dayMs,
  unsentSamples: 3,
  oldestUnsentMs: nowMs - 2 * minuteMs,
  dropped: 0,
  thinned: 0,
  reachability: 'ok',
  reachabilitySinceMs: nowMs - dayMs
}
const well: ChargerFacts = {
  sampledMs: nowMs - minuteMs,
  connection: { isOnline: true, sinceMs: nowMs - dayMs },
  state: { word: 'charging', sinceMs: nowMs - 10 * minuteMs },
  ownWord: () => 'Charging',
  edge
}
const offline = { isOnline: false, sinceMs: nowMs - 5 * minuteMs }

interface Case {
  readonly what: string
  readonly facts: ChargerFacts
  readonly around?: Partial<Surroundings>
  /** The conditions that are open before the rules run. */
  readonly open?: readonly string[]
  readonly expected: readonly (readonly [condition: string, cause: RegExp, sinceMs: number])[]
}

const cases: readonly Case[] = [
  { what: 'a charger that is well', facts: well, expected: [] },
  {
    what: 'a device without an edge of ours that was sampled a moment ago',
    facts: { ...well, connection: undefined, edge: undefined, ownWord: () => undefined },
    expected: []
  },
  {
    what: 'silence of less than the time',
    facts: { ...well, sampledMs: nowMs - 34 * minuteMs },
    expected: []
  },
  {
    what: 'silence beside a connected edge',
    facts: { ...well, sampledMs: nowMs - 36 * minuteMs },
    expected: [['silent', /although its edge is connected/, nowMs - 36 * minuteMs]]
  },
  {
    what: 'silence because the edge is away',
    facts: { ...well, sampledMs: nowMs - 36 * minuteMs, connection: offline },
    expected: [
      ['silent', /its edge is not connected/, nowMs - 36 * minuteMs],
      ['offline', /not connected to the server/, offline.sinceMs]
    ]
  },
  {
    what: 'silence that nobody could have heard: the server, or its database, was away',
    facts: { ...well, sampledMs: nowMs - dayMs },
    around: { storingSinceMs: nowMs - 10 * minuteMs },
    expected: []
  },
  {
    what: 'silence that was known before the server was away',
    facts: { ...well, sampledMs: nowMs - dayMs },
    around: { storingSinceMs: nowMs - 10 * minuteMs },
    open: ['silent'],
    expected: [['silent', /although/, nowMs - dayMs]]
  },
  {
    what: 'an edge that is offline tells nothing that still counts, but for its certificate',
    facts: {
      ...well,
      connection: offline,
      edge: {
        ...edge,
        clock: 'unset',
        reachability: 'timeout',
        version: '0.1.0',
        oldestUnsentMs: 0,
        certificateEndsMs: nowMs + dayMs / 2
      }
    },
    expected: [
      ['offline', /./, offline.sinceMs],
      ['certificate', /ends within a day: renew/, nowMs + dayMs / 2 - certificateSoonMs]
    ]
  },
  ...(
    [
      ['timeout', /does not answer/],
      ['refused', /refuses the connection/],
      ['forbidden', /devKey/],
      ['wrong_api', /url or driver/],
      ['wrong_serial', /--accept-serial/],
      ['bad_answer', /cannot be read/],
      ['new_word', /cannot read this charger \(new_word\)/]
    ] as const
  ).map(
    ([reachability, cause]): Case => ({
      what: `a charger that its edge finds ${reachability}`,
      facts: { ...well, edge: { ...edge, reachability, reachabilitySinceMs: nowMs - 7 * minuteMs } },
      expected: [['unreachable', cause, nowMs - 7 * minuteMs]]
    })
  ),
  {
    what: 'a charger that is silent because it is not reached',
    facts: { ...well, sampledMs: nowMs - 40 * minuteMs, edge: { ...edge, reachability: 'timeout' } },
    expected: [
      ['silent', /its edge cannot read it/, nowMs - 40 * minuteMs],
      ['unreachable', /does not answer/, nowMs - dayMs]
    ]
  },
  {
    what: 'a fault, with the word of the charger',
    facts: { ...well, state: { word: 'unscheduled_downtime', sinceMs: nowMs - 3 }, ownWord: () => 'Error 42' },
    expected: [['fault', /reports a fault: "Error 42"/, nowMs - 3]]
  },
  {
    what: 'a fault without a word',
    facts: { ...well, state: { word: 'unscheduled_downtime', sinceMs: nowMs - 3 }, ownWord: () => undefined },
    expected: [['fault', /cannot charge/, nowMs - 3]]
  },
  {
    what: 'a planned downtime is none of ours',
    facts: { ...well, state: { word: 'scheduled_downtime', sinceMs: nowMs } },
    expected: []
  },
  {
    what: 'a backlog that is old',
    facts: { ...well, edge: { ...edge, unsentSamples: 900, oldestUnsentMs: edge.timeMs - backlogAgeMs } },
    expected: [['backlog', /^900 samples wait on the edge's disk to be sent\.$/, edge.timeMs - backlogAgeMs]]
  },
  {
    what: 'a backlog of which some was given up',
    facts: { ...well, edge: { ...edge, oldestUnsentMs: 0, dropped: 5, thinned: 2 } },
    expected: [['backlog', /ran full: since its start 7 were given up/, 0]]
  },
  ...(['unset', 'unsynchronised', 'leapt'] as const).map(
    (clock): Case => ({
      what: `a clock that is ${clock}`,
      facts: { ...well, edge: { ...edge, clock } },
      expected: [['clock', /clock of the edge/, edge.timeMs]]
    })
  ),
  ...(['system', 'server', 'synchronised', 'word of a newer edge'] as const).map(
    (clock): Case => ({
      what: `a clock that is fine: ${clock}`,
      facts: { ...well, edge: { ...edge, clock } },
      expected: []
    })
  ),
  {
    what: 'a certificate that ends in 12 days, and one that has ended',
    facts: { ...well, edge: { ...edge, certificateEndsMs: nowMs + 12.5 * dayMs } },
    expected: [['certificate', /ends in 12 days/, nowMs - 17.5 * dayMs]]
  },
  {
    what: 'a certificate that has ended',
    facts: { ...well, edge: { ...edge, certificateEndsMs: nowMs - 1 } },
    expected: [['certificate', /has ended/, nowMs - 1 - certificateSoonMs]]
  },
  {
    what: 'an edge that is too old',
    facts: { ...well, edge: { ...edge, version: '0.2.9' } },
    expected: [['version', /runs 0\.2\.9, this server 0\.4\.1: the edge is too old .*; update it/, edge.timeMs]]
  },
  {
    what: 'an edge that is too new',
    facts: { ...well, edge: { ...edge, version: '0.6.0' } },
    expected: [['version', /update the server/, edge.timeMs]]
  }
]

describe('what is wrong with a charger', () => {
  for (const { what, facts, around: others, open = [], expected } of cases) {
    it(what, () => {
      const found = judge(facts, { ...around, ...others }, condition => open.includes(condition))
      assert.deepEqual(
        found.map(({ condition, sinceMs }) => [condition, sinceMs]),
        expected.map(([condition, , sinceMs]) => [condition, sinceMs])
      )
      for (const [i, [, cause]] of expected.entries()) assert.match(found[i]!.cause, cause)
    })
  }

  it('every condition has a case', () => {
    const covered = new Set(cases.flatMap(({ expected }) => expected.map(([condition]) => condition)))
    assert.deepEqual(
      conditions.filter(condition => !covered.has(condition)),
      []
    )
  })

  it('neighbouring releases work together, others do not', () => {
    const orders = (
      [
        ['0.4.0', '0.4.9'],
        ['0.3.0', '0.4.0'],
        ['0.5.0', '0.4.0'],
        ['0.2.0', '0.4.0'],
        ['0.9.0', '1.0.0'],
        ['1.9.0', '1.0.0'],
        ['3.0.0', '1.0.0'],
        ['1.0.0', '3.0.0'],
        ['0.4.0-rc.1', '0.4.0'],
        ['development', '0.4.0']
      ] as const
    ).map(([edge, server]) => Math.sign(compareReleases(edge, server)))
    assert.deepEqual(orders, [0, 0, 0, -1, 0, 0, 1, -1, 0, 0])
  })
})
