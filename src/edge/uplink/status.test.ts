import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type EdgeStatus, edgeStatus, type Reachability } from '../../model/wire/edgeStatus.ts'
import type { Parcel } from './feed.ts'
import { statusIntervalMsMax, statusIntervalMsMin } from './limits.ts'
import { StatusReporter, type StatusSource } from './status.ts'

const startMs = Date.UTC(2026, 10, 23)

class Bench {
  nowMs: number | undefined = startMs
  monotonicMs = 1_000
  usedBytes = 40_000
  unsettledCount = 1
  oldestUnsettledMs: number | undefined
  thinned = 0
  dropped = 0
  clock = 'synchronised'
  reached: Record<string, { state: Reachability; sinceMs: number }> = {}
  implausible = 0
  epochs = 0
  counted = 0
  readonly reporter: StatusReporter

  constructor(...chargers: string[]) {
    const source: StatusSource = {
      version: '1.2.3',
      certificateEndsMs: Date.UTC(2028, 0, 1),
      chargers,
      nowMs: () => this.nowMs,
      clock: () => this.clock,
      spool: () => {
        this.counted++
        const { usedBytes, unsettledCount, oldestUnsettledMs, thinned, dropped } = this
        return { usedBytes, unsettledCount, oldestUnsettledMs, thinned, dropped }
      },
      charger: name => {
        const { implausible, epochs } = this
        const reachability = this.reached[name]
        return { implausible, epochs, ...(reachability && { reachability }) }
      }
    }
    this.reporter = new StatusReporter(source, () => this.monotonicMs)
  }

  pass(ms: number): void {
    this.monotonicMs += ms
    if (this.nowMs !== undefined) this.nowMs += ms
  }

  /** Returns everything that is due to be sent now. */
  sent(): Parcel[] {
    const parcels: Parcel[] = []
    this.reporter.look()
    for (let next = this.reporter.next(); next !== undefined; next = this.reporter.next()) parcels.push(next)
    return parcels
  }

  /** Returns a bench that is connected and has sent everything. The last status is old enough for a new one. */
  static settled(...chargers: string[]): Bench {
    const b = new Bench(...chargers)
    b.reporter.connected()
    b.sent()
    b.pass(statusIntervalMsMin)
    return b
  }
}

const statusOf = (parcel: Parcel | undefined): EdgeStatus => edgeStatus.parse(JSON.parse(parcel!.messages[0]!.payload))

test('everything that is known, in one retained message a charger, and nothing of what is not', () => {
  const b = new Bench('wb')
  b.reporter.connected()
  const [bare, ...rest] = b.sent()
  assert.deepEqual(rest, [])
  assert.deepEqual([bare?.seq, bare?.retain, bare?.dup], [undefined, true, false])
  assert.equal(bare?.messages[0]?.topic, 'chargers/wb/EdgeStatus')
  assert.deepEqual(statusOf(bare), {
    SamplingTime: '2026-11-23T00:00:00.000Z',
    Version: '1.2.3',
    Clock: 'synchronised',
    CertificateExpiry: '2028-01-01T00:00:00.000Z',
    UnsentSamples: 1,
    SpoolBytes: 40_000,
    Thinned: 0,
    Dropped: 0
  })
  b.oldestUnsettledMs = startMs - 5_000
  b.reached = { wb: { state: 'forbidden', sinceMs: startMs - 9_000 } }
  b.reporter.connected()
  const { OldestUnsent, Reachability, ReachabilitySince } = statusOf(b.sent()[0])
  assert.deepEqual(
    [OldestUnsent, Reachability, ReachabilitySince],
    ['2026-11-22T23:59:55.000Z', 'forbidden', '2026-11-22T23:59:51.000Z']
  )
})

test('sampling times rise, also when the clock steps back', () => {
  const b = new Bench('wb')
  b.reporter.connected()
  const first = statusOf(b.sent()[0]).SamplingTime
  b.nowMs = startMs - 3_600_000
  b.reporter.connected()
  assert.ok(statusOf(b.sent()[0]).SamplingTime > first)
})

test('nothing is told while the clock cannot be trusted, and all of it when it can', () => {
  const b = new Bench('wb')
  b.nowMs = undefined
  b.reporter.connected()
  assert.deepEqual(b.sent(), [])
  b.nowMs = startMs
  assert.equal(b.sent().length, 1)
})

test('news of one charger are told of that one alone, at most once a minute', () => {
  const b = Bench.settled('a', 'b')
  b.reached = { b: { state: 'timeout', sinceMs: startMs } }
  assert.deepEqual(
    b.sent().map(({ messages }) => messages[0]?.topic),
    ['chargers/b/EdgeStatus']
  )
  b.reached = { b: { state: 'ok', sinceMs: startMs } }
  b.pass(statusIntervalMsMin - 1)
  assert.deepEqual(b.sent(), [])
  b.pass(1)
  assert.equal(statusOf(b.sent()[0]).Reachability, 'ok')
})

describe('what is news', () => {
  const changes: Record<string, (b: Bench) => void> = {
    'the clock': b => {
      b.clock = 'unsynchronised'
    },
    'a thinned sample': b => {
      b.thinned = 1
    },
    'a dropped sample': b => {
      b.dropped = 1
    },
    'a charger that does not answer': b => {
      b.reached = { wb: { state: 'refused', sinceMs: startMs } }
    },
    'a value that no charger can have': b => {
      b.implausible = 1
    },
    'a meter that began anew': b => {
      b.epochs = 1
    },
    'a backlog that grows': b => {
      b.unsettledCount = 33
    },
    'a spool that doubles': b => {
      b.usedBytes = 2 * 1024 * 1024
    }
  }
  for (const [name, change] of Object.entries(changes)) {
    test(name, () => {
      const b = Bench.settled('wb')
      change(b)
      assert.equal(b.sent().length, 1)
      b.pass(statusIntervalMsMin)
      assert.deepEqual(b.sent(), [], 'once')
    })
  }

  test('a backlog that drains: as it halves, and when the last of it is gone', () => {
    const b = Bench.settled('wb')
    b.unsettledCount = 1_000
    b.oldestUnsettledMs = startMs - 3_600_000
    const sent: number[] = []
    for (; b.unsettledCount >= 1; b.unsettledCount -= 37) {
      sent.push(...b.sent().map(parcel => statusOf(parcel).UnsentSamples))
      b.pass(statusIntervalMsMin)
    }
    b.unsettledCount = 1
    b.oldestUnsettledMs = b.nowMs
    sent.push(...b.sent().map(parcel => statusOf(parcel).UnsentSamples))
    assert.deepEqual(sent, [1_000, 482, 223, 75, 1, 1])
  })
})

describe('what is no news', () => {
  const wiggles: Record<string, (b: Bench, i: number) => void> = {
    'bytes that come and go with every poll': (b, i) => {
      b.usedBytes = 40_000 + 4_096 * (i % 100)
    },
    'samples on their way': (b, i) => {
      b.unsettledCount = i % 32
      b.oldestUnsettledMs = (b.nowMs ?? 0) - 1_000 * (i % 50)
    },
    'bytes below the megabyte that an empty spool may take': (b, i) => {
      b.usedBytes = i % 2 === 0 ? 4_096 : 1024 * 1024
    }
  }
  for (const [name, wiggle] of Object.entries(wiggles)) {
    test(name, () => {
      const b = Bench.settled('wb')
      let sent = 0
      for (let i = 0; i < 58; i++) {
        wiggle(b, i)
        sent += b.sent().length
        b.pass(statusIntervalMsMin)
      }
      assert.equal(sent, 0)
    })
  }
})

test('a backlog that moves by a third is no news', () => {
  const b = new Bench('wb')
  b.unsettledCount = 1_000
  b.reporter.connected()
  b.sent()
  for (const count of [1_300, 700, 1_999, 501]) {
    b.pass(statusIntervalMsMin)
    b.unsettledCount = count
    assert.deepEqual(b.sent(), [])
  }
})

test('a sign of life once an hour', () => {
  const b = Bench.settled('wb')
  b.pass(statusIntervalMsMax - statusIntervalMsMin - 1)
  assert.deepEqual(b.sent(), [])
  b.pass(1)
  assert.equal(b.sent().length, 1)
})

test('the disk is counted at most once a minute for all chargers', () => {
  const names = Array.from({ length: 50 }, (_, i) => `c${i}`)
  const b = Bench.settled(...names)
  const before = b.counted
  for (let i = 0; i < 12; i++) {
    b.sent()
    b.pass(5_000)
  }
  assert.equal(b.counted - before, 1)
})

test('the longest status is far below 8 KB', () => {
  const b = new Bench('c'.repeat(64))
  b.usedBytes = b.unsettledCount = b.thinned = b.dropped = Number.MAX_SAFE_INTEGER
  b.oldestUnsettledMs = startMs
  b.clock = 'x'.repeat(64)
  b.reached = { ['c'.repeat(64)]: { state: 'wrong_serial', sinceMs: startMs } }
  b.reporter.connected()
  assert.ok(b.sent()[0]!.messages[0]!.payload.length < 1_024)
})
