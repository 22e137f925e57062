import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { edgeStatus, readEdgeStatus, sentEdgeStatus } from './edgeStatus.ts'

const today = {
  SamplingTime: '2026-11-28T12:00:00.000Z',
  Version: '0.1.0',
  Clock: 'synchronised',
  CertificateExpiry: '2027-11-28T12:00:00.000Z',
  UnsentSamples: 12,
  OldestUnsent: '2026-11-28T11:00:00.000Z',
  SpoolBytes: 1_048_576,
  Thinned: 3,
  Dropped: 0,
  Implausible: 1,
  MeterEpochs: 2,
  Reachability: 'timeout',
  ReachabilitySince: '2026-11-28T11:50:00.000Z'
}
/** The members that the first release sent. */
const { SamplingTime, Version, CertificateExpiry, UnsentSamples, SpoolBytes, Dropped } = today
const older = { SamplingTime, Version, CertificateExpiry, UnsentSamples, SpoolBytes, Dropped }

/** Reads a status and removes undefined members. */
const read = (sent: unknown): unknown => JSON.parse(JSON.stringify(readEdgeStatus(sent)))

describe('EdgeStatus', () => {
  it("of today's edge and of an older one is read whole", () => {
    for (const status of [today, older]) {
      assert.deepEqual(edgeStatus.parse(status), status)
      assert.deepEqual(read(status), status)
    }
  })

  it('of a newer edge is read as far as it is known, words and members', () => {
    const newer = { ...today, Reachability: 'asleep', Clock: 'atomic', Uptime: 7, Disk: { wear: 3 } }
    assert.deepEqual(read(newer), { ...today, Reachability: 'asleep', Clock: 'atomic' })
    assert.deepEqual(sentEdgeStatus.parse(newer), newer)
    assert.ok(!edgeStatus.safeParse(newer).success, 'no edge of this release sends these')
  })

  it('loses the members that have another form, and only them', () => {
    const wrong: { readonly [Name in keyof typeof today]: readonly unknown[] } = {
      SamplingTime: ['yesterday', 7, null],
      Version: ['', 7, null, ['0.1.0'], { major: 0 }],
      Clock: ['', true],
      CertificateExpiry: ['never', true, 1_790_000_000_000, ''],
      UnsentSamples: ['12', -1, null, [12], Number.NaN],
      OldestUnsent: ['a while ago', {}],
      SpoolBytes: [-0.5, '1 MB'],
      Thinned: [false, -3],
      Dropped: ['x', {}],
      Implausible: [[], '1'],
      MeterEpochs: [-1, null],
      Reachability: [['timeout'], '', 0],
      ReachabilitySince: ['{', []]
    }
    for (const [name, values] of Object.entries(wrong)) {
      const { [name as keyof typeof today]: _, ...others } = today
      for (const value of values) assert.deepEqual(read({ ...today, [name]: value }), others, `${name}: ${value}`)
    }
  })

  it('cannot bring long texts, inherited members or another kind of JSON', () => {
    const { Version } = readEdgeStatus({ Version: 'x'.repeat(8_000) })
    assert.equal(Version, 'x'.repeat(64))
    assert.deepEqual(read(JSON.parse('{"__proto__": {"Dropped": 7}, "constructor": {"prototype": {}}}')), {})
    for (const other of [null, undefined, 'text', 7, true]) assert.deepEqual(read(other), {}, String(other))
  })
})
