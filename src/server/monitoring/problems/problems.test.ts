import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Shadow } from '../../../broker/shadow.ts'
import { conditions } from '../../../model/api/problem.ts'
import { encodeEnvelope } from '../../../model/wire/envelope.ts'
import { topicOf } from '../../../model/wire/topics.ts'
import { problemLookCount } from './limits.ts'
import { Problems } from './problems.ts'

const startMs = Date.parse('2026-11-28T12:00:00Z')
const minuteMs = 60_000

class Bench {
  readonly shadow = new Shadow()
  readonly changes: string[] = []
  nowMs = startMs
  readonly problems = new Problems({
    chargers: this.shadow.byCharger,
    surroundings: () => ({ nowMs: this.nowMs, storingSinceMs: 0, silentAfterMs: 35 * minuteMs, version: '0.1.0' }),
    changed: (condition, opened, closed) => this.changes.push(`${condition} +${opened} -${closed}`),
    failed: assert.ifError
  })

  tell(charger: string, name: string, value: number | string, atMs = this.nowMs): void {
    this.shadow.move(topicOf(charger, name), atMs * 1000, encodeEnvelope({ timeUs: atMs * 1000, value }), 'committed')
  }

  tellStatus(charger: string, status: object): void {
    const payload = JSON.stringify({ SamplingTime: new Date(this.nowMs).toISOString(), ...status })
    this.shadow.move(topicOf(charger, 'EdgeStatus'), this.nowMs * 1000, payload, 'committed')
  }

  get list(): string[] {
    return [...this.problems.list()].map(({ charger, condition, since }) => `${charger} ${condition} ${since}`)
  }
}

describe('problems', () => {
  it('come and go with what the chargers tell, and keep their beginning', async () => {
    const bench = new Bench()
    bench.tell('w1', 'OperationState', 'charging')
    bench.tell('w1', 'Connection', 'online')
    bench.tell('w2', 'PowerOutput', 0)
    await bench.problems.look()
    assert.deepEqual([bench.list, bench.changes, bench.problems.chargers], [[], [], 2])

    bench.nowMs += minuteMs
    bench.tell('w1', 'OperationState', 'unscheduled_downtime')
    bench.tell('w1', 'ChargerStatus', 'Error "RCD"')
    await bench.problems.look()
    bench.nowMs += minuteMs
    bench.tell('w1', 'OperationState', 'unscheduled_downtime') // the heartbeat of a fault keeps its beginning
    await bench.problems.look()
    assert.deepEqual(bench.list, ['w1 fault 2026-11-28T12:01:00.000Z'])
    assert.match([...bench.problems.list()][0]!.cause, /"Error "RCD""/)
    assert.deepEqual(bench.problems.problemsOf('w1'), ['fault'])
    assert.deepEqual(bench.problems.problemsOf('w2'), [])
    assert.equal(bench.problems.counts.get('fault'), 1)
    assert.deepEqual([...bench.problems.counts.keys()], [...conditions])

    bench.nowMs += minuteMs
    bench.tell('w1', 'OperationState', 'idle')
    await bench.problems.look()
    assert.deepEqual(bench.list, [])
    assert.deepEqual(bench.changes, ['fault +w1 -', 'fault + -w1'])
    assert.equal(bench.problems.counts.get('fault'), 0)
  })

  it('a name that was only asked for is no charger', async () => {
    const bench = new Bench()
    bench.tell('nobody', 'Connection', 'offline')
    await bench.problems.look()
    assert.deepEqual([bench.list, bench.problems.chargers], [[], 0])
  })

  it('what was before a restart, and still is, began then; what is no more is not told', async () => {
    const bench = new Bench()
    bench.tell('w1', 'OperationState', 'unscheduled_downtime')
    bench.problems.restore([
      { charger: 'w1', condition: 'fault', sinceMs: startMs - minuteMs },
      { charger: 'w2', condition: 'offline', sinceMs: startMs - minuteMs }
    ])
    await bench.problems.look()
    assert.deepEqual(bench.list, ['w1 fault 2026-11-28T11:59:00.000Z'])
  })

  it('an EdgeStatus of whatever types is read as far as it makes sense', async () => {
    const bench = new Bench()
    for (const [i, status] of [
      {},
      { Clock: 7, Version: null, Reachability: ['x'], OldestUnsent: 'yesterday', CertificateExpiry: true, Dropped: 'x' }
    ].entries()) {
      bench.tell(`w${i}`, 'Connection', 'online')
      bench.tellStatus(`w${i}`, status)
    }
    bench.tell('w9', 'Connection', 'online')
    bench.tellStatus('w9', { Clock: 'unset', Reachability: 'timeout', ReachabilitySince: '2026-11-28T11:50:00Z' })
    await bench.problems.look()
    assert.deepEqual(bench.list, ['w9 unreachable 2026-11-28T11:50:00.000Z', 'w9 clock 2026-11-28T12:00:00.000Z'])
    bench.nowMs += minuteMs
    bench.tellStatus('w9', { Clock: 'synchronised', Reachability: 'ok' })
    await bench.problems.look()
    assert.deepEqual(bench.list, [], 'a new status replaces what was read of the old one')
  })

  it('a look at many lets others have their turn', async () => {
    const bench = new Bench()
    for (let i = 0; i < 3 * problemLookCount; i++) bench.tell(`w${i}`, 'PowerOutput', 0)
    let turns = 0
    const count = (): void => {
      turns++
      immediate = setImmediate(count)
    }
    let immediate = setImmediate(count)
    await bench.problems.look()
    clearImmediate(immediate)
    assert.ok(turns >= 2, `${turns} turns`)
    assert.equal(bench.problems.chargers, 3 * problemLookCount)
  })
})
