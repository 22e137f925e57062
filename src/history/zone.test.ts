import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Zone, Zones } from './zone.ts'

const berlin = new Zone('Europe/Berlin')
const us = (text: string): number => Date.parse(text) * 1000

test('a time is told with the offset that the zone has then', () => {
  assert.equal(berlin.format(us('2026-10-01T10:00:00Z')), '2026-10-01T12:00:00.000+02:00')
  assert.equal(berlin.format(us('2026-12-01T10:00:00.25Z')), '2026-12-01T11:00:00.250+01:00')
  // The hour that occurs twice.
  assert.equal(berlin.format(us('2026-10-25T00:30:00Z')), '2026-10-25T02:30:00.000+02:00')
  assert.equal(berlin.format(us('2026-10-25T01:30:00Z')), '2026-10-25T02:30:00.000+01:00')
  assert.equal(new Zone('UTC').format(us('2026-10-01T10:00:00Z') + 7), '2026-10-01T10:00:00.000007+00:00')
  assert.equal(new Zone('America/St_Johns').format(us('2026-01-01T00:00:00Z')), '2025-12-31T20:30:00.000-03:30')
})

const days: [zone: string, day: string, start: string, hours: number][] = [
  ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z', 23],
  ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00Z', 25],
  ['Europe/Berlin', '2026-07-01', '2026-06-30T22:00:00Z', 24],
  ['Australia/Lord_Howe', '2026-10-04', '2026-10-03T13:30:00Z', 23.5],
  ['Pacific/Auckland', '2026-04-05', '2026-04-04T11:00:00Z', 25],
  // The clock skips midnight: the day begins at one o'clock.
  ['America/Santiago', '2026-09-06', '2026-09-06T04:00:00Z', 23],
  ['UTC', '2026-02-28', '2026-02-28T00:00:00Z', 24]
]
test('a day begins at its local midnight, and has 23 or 25 hours where the clock changes', () => {
  for (const [name, day, start, hours] of days) {
    const zone = new Zone(name)
    const startMs = zone.startOfDay(day)
    assert.equal(new Date(startMs).toISOString(), new Date(start).toISOString(), `${name} ${day}`)
    assert.equal((zone.startOfDay(Zone.nextDay(day)) - startMs) / 3_600_000, hours, `${name} ${day}`)
    assert.equal(zone.dayOf(startMs), day)
    assert.ok(zone.dayOf(startMs - 1) < day)
  }
})

const doubleMidnights: [zone: string, day: string, start: string, hours: number][] = [
  // Clocks go back at one o'clock in the morning, to midnight. The day begins at the first of the two midnights.
  ['America/Havana', '2026-11-01', '2026-11-01T04:00:00Z', 25],
  // Clocks go back at midnight, to 23:00 of the day before. Midnight occurs once.
  ['America/Asuncion', '2023-03-26', '2023-03-26T04:00:00Z', 24],
  // Clocks go forward at midnight. The day begins at one o'clock.
  ['America/Havana', '2026-03-08', '2026-03-08T05:00:00Z', 23],
  // The calendar skips the day before. This day begins like any other.
  ['Pacific/Apia', '2011-12-31', '2011-12-30T10:00:00Z', 24]
]
test('a day whose midnight comes twice begins at the first one', () => {
  for (const [name, day, start, hours] of doubleMidnights) {
    const zone = new Zone(name)
    const startMs = zone.startOfDay(day)
    assert.equal(new Date(startMs).toISOString(), new Date(start).toISOString(), `${name} ${day}`)
    assert.equal((zone.startOfDay(Zone.nextDay(day)) - startMs) / 3_600_000, hours, `${name} ${day}`)
  }
})

test('the day after is the next one of the calendar, over the ends of months and years', () => {
  assert.equal(Zone.nextDay('2026-02-28'), '2026-03-01')
  assert.equal(Zone.nextDay('2028-02-28'), '2028-02-29')
  assert.equal(Zone.nextDay('2026-12-31'), '2027-01-01')
})

test('an offset holds from the very millisecond at which the clock changes', () => {
  const changeMs = Date.parse('2026-03-29T01:00:00Z')
  assert.equal(berlin.offsetMs(changeMs - 1), 3_600_000)
  assert.equal(berlin.offsetMs(changeMs), 7_200_000)
  assert.equal(new Zone('America/New_York').offsetMs(changeMs), -4 * 3_600_000)
  assert.equal(new Zone('Asia/Kathmandu').offsetMs(changeMs), 5.75 * 3_600_000)
})

test('zones are made once for each name, and a name that is none is refused', () => {
  const zones = new Zones()
  assert.equal(zones.of('Europe/Berlin'), zones.of('Europe/Berlin'))
  assert.throws(() => zones.of('Europe/Atlantis'), RangeError)
})
