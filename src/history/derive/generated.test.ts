// The derivation on generated lives of some chargers: the derived sessions equal the true sessions.
// test/full/sessions.test.ts does the same for a year of 1,000 chargers on a database.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PriceList } from '../billing/priceList.ts'
import { curveMilliWh, type Session } from '../session.ts'
import {
  dayPrice,
  type GeneratedCharger,
  generateCharger,
  generatedTimeZone,
  nightPrice,
  type TrueSession
} from '../testing/generatedCharger.ts'
import { Course } from './sessionMachine.ts'

const window = (from: number, to: number, price: number) => ({
  fromDay: -Infinity,
  toDay: Infinity,
  fromMinute: from * 60,
  toMinute: to * 60,
  priceMicro: BigInt(price) * 100n,
  currency: 'EUR'
})
const prices = new PriceList(new Map([['house', [window(6, 22, dayPrice), window(22, 6, nightPrice)]]]))

function derive({ rows }: GeneratedCharger): Session[] {
  const sessions = new Map<number, Session>()
  const course = new Course(session => sessions.set(session.startedUs, session))
  for (const row of rows) course.take(row)
  return [...sessions.values()]
}

function truthOf(session: Session): TrueSession {
  const { startedUs, endedUs, energyWh, vehicle, interruptions } = session
  const house = { tariff: 'house', timeZone: generatedTimeZone }
  const cost = prices.costOf(house, startedUs / 1000, curveMilliWh(session))
  const costCents = Math.round(Number(cost?.amount) * 100)
  return { startedUs, endedUs, energyWh, vehicle, interruptions, peakPowerW: session.peakPowerW ?? 0, costCents }
}

describe('sessions derived from a generated life', () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`are the true ones in number, time, energy and cost, through the clock changes of a year (seed ${seed})`, () => {
      const life = { seed, fromMs: Date.UTC(2025, 0, 1), toMs: Date.UTC(2026, 0, 1), pauseHours: 20 + seed * 10 }
      const generated = generateCharger({ ...life, swapEvery: seed % 2 === 0 ? 7 : 0 })
      assert.ok(generated.sessions.length > 80, `${generated.sessions.length} sessions`)
      const found = derive(generated)
      assert.deepEqual(found.map(truthOf), generated.sessions)
    })
  }
})
