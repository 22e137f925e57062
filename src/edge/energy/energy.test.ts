import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SessionReading } from '../chargers/charger.ts'
import { accumulate, type EnergyState, type EnergyStep } from './energy.ts'

/** One reading: [elapsed seconds, or undefined after a restart; Wh; s; card; expected step; expected total]. */
type Row = [
  elapsed: number | undefined,
  wh: number,
  s: number | undefined,
  card: string | undefined,
  step: EnergyStep,
  total: number
]

const stories: Record<string, Row[]> = {
  'the session seen first counts whole': [[undefined, 11_337, 11_811, '', 'first', 11_337]],
  'a session grows': [
    [undefined, 100, 60, 'A', 'first', 100],
    [10, 130, 70, 'A', 'same_session', 130],
    [10, 130, 80, 'A', 'same_session', 130],
    [10, 160, 90, 'A', 'same_session', 160]
  ],
  'the counter falls: the next session': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [30, 20, 5, 'B', 'new_session', 5_020],
    [30, 200, 35, 'B', 'same_session', 5_200]
  ],
  'the counter is cleared to zero before it counts': [
    [undefined, 5_000, 3_600, '', 'first', 5_000],
    [30, 0, 0, 'B', 'new_session', 5_000],
    [30, 200, 30, 'B', 'same_session', 5_200]
  ],
  'a new card is shown while the counter of the old session still stands': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [30, 5_000, 3_600, '', 'same_session', 5_000],
    [30, 5_000, 3_600, 'B', 'same_session', 5_000],
    [30, 30, 10, 'B', 'new_session', 5_030]
  ],
  'a new card and a counter that goes on within seconds: one session, two cards': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [30, 5_050, 3_630, 'B', 'same_session', 5_050]
  ],
  'after a gap a longer session of another card': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [86_400, 9_000, 7_200, 'B', 'new_session', 14_000]
  ],
  'after a gap a larger counter with a shorter duration': [
    [undefined, 5_000, 3_600, '', 'first', 5_000],
    [86_400, 9_000, 1_800, '', 'new_session', 14_000]
  ],
  'a duration that grew by more than the time that went by': [
    [undefined, 100, 60, '', 'first', 100],
    [60, 150, 900, '', 'new_session', 250]
  ],
  'after a gap the same session, as far as anyone can tell: the lower bound': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [3_600, 9_000, 7_200, 'A', 'same_session', 9_000]
  ],
  'after a restart nothing bounds the jump': [
    [undefined, 5_000, 3_600, 'A', 'first', 5_000],
    [undefined, 30_000, 9_600, 'A', 'same_session', 30_000],
    [undefined, 20_000, 600, 'A', 'new_session', 50_000]
  ],
  'a glitch to a little less adds nothing': [
    [undefined, 11_337, 100, '', 'first', 11_337],
    [10, 11_300, 110, '', 'implausible', 11_337],
    [10, 11_340, 120, '', 'same_session', 11_340]
  ],
  'a glitch upwards adds nothing': [
    [undefined, 1_000, 100, '', 'first', 1_000],
    [10, 900_000, 110, '', 'implausible', 1_000],
    [10, 1_030, 120, '', 'same_session', 1_030]
  ],
  'a counter that stays where it cannot be is followed from there': [
    [undefined, 11_337, 100, '', 'first', 11_337],
    [10, 11_300, 110, '', 'implausible', 11_337],
    [20, 11_301, 120, '', 'implausible', 11_337],
    [30, 11_302, 130, '', 'rebased', 11_337],
    [10, 11_310, 140, '', 'same_session', 11_345]
  ],
  'a box that tells neither duration nor card': [
    [undefined, 100, undefined, undefined, 'first', 100],
    [10, 150, undefined, undefined, 'same_session', 150],
    [10, 20, undefined, undefined, 'new_session', 170]
  ],
  'fractions of a watt hour': [
    [undefined, 0.5, 1, '', 'first', 0.5],
    [10, 0.75, 2, '', 'same_session', 0.75]
  ]
}

describe('lifetime energy', () => {
  for (const [name, rows] of Object.entries(stories)) {
    test(name, () => {
      let state: EnergyState | undefined
      for (const [elapsed, energyWh, durationSeconds, card, step, total] of rows) {
        const reading: SessionReading = {
          energyWh,
          ...(durationSeconds === undefined ? {} : { durationSeconds }),
          ...(card === undefined ? {} : { card })
        }
        const before = state?.totalWh ?? 0
        const counted = accumulate(state, reading, elapsed === undefined ? undefined : elapsed * 1000)
        state = counted.state
        assert.deepEqual([counted.step, state.totalWh], [step, total], JSON.stringify(reading))
        assert.equal(before + counted.addedWh, state.totalWh)
      }
    })
  }
})

test('it never falls, whatever the counter does', () => {
  let seed = 1
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  let state: EnergyState | undefined
  for (let i = 0; i < 20_000; i++) {
    const reading = {
      energyWh: Math.floor(random() * 20_000),
      ...(random() < 0.8 ? { durationSeconds: Math.floor(random() * 5_000) } : {}),
      ...(random() < 0.8 ? { card: ['', 'A', 'B'][Math.floor(random() * 3)]! } : {})
    }
    const before = state
    state = accumulate(before, reading, random() < 0.1 ? undefined : random() * 60_000).state
    assert.ok(state.totalWh >= (before?.totalWh ?? 0))
  }
})
