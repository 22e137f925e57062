// Computes the cost of a session: its energy by quarter hour, at the price of the tariff's window in the time zone of
// the site. The result is exact: energies are whole thousandths of a Wh, and prices are whole millionths. The amount is
// rounded once, half up, to hundredths. Pure.

import type { Zone } from '../zone.ts'

/** A row of `tariffs`. Days count from 1970-01-01. Both ends of the validity are included. */
export interface TariffWindow {
  readonly fromDay: number
  readonly toDay: number
  /** Minutes since midnight. The end is not included. It lies before the start where the window crosses midnight. */
  readonly fromMinute: number
  readonly toMinute: number
  /** The price per kWh, in millionths of the currency. */
  readonly priceMicro: bigint
  readonly currency: string
}

export interface Cost {
  /** The cost with two decimals. */
  readonly amount: string
  readonly currency: string
  readonly parts: readonly CostPart[]
}
/** The cost by one window. `amount` is not rounded. */
export interface CostPart {
  readonly from: string
  readonly to: string
  readonly pricePerKwh: string
  readonly energyWh: number
  readonly amount: string
}

const quarterMs = 900_000
const dayMs = 86_400_000

/**
 * The cost of a session. `quarterMilliWh` starts with the quarter hour of `startedMs`. Undefined where no window
 * applies to some of the energy, or where the windows have different currencies.
 */
export function costOf(
  startedMs: number,
  quarterMilliWh: readonly number[],
  tariff: readonly TariffWindow[],
  zone: Zone
): Cost | undefined {
  const firstMs = Math.floor(startedMs / quarterMs) * quarterMs
  const energies = new Map<TariffWindow, number>()
  for (const [i, milliWh] of quarterMilliWh.entries()) {
    if (milliWh === 0) continue
    const window = windowAt(tariff, zone, firstMs + i * quarterMs)
    if (window === undefined) return undefined
    energies.set(window, (energies.get(window) ?? 0) + milliWh)
  }
  const currencies = new Set([...energies.keys()].map(({ currency }) => currency))
  const currency = [...currencies][0] ?? windowAt(tariff, zone, firstMs)?.currency
  if (currency === undefined || currencies.size > 1) return undefined
  const parts = [...energies].map(([window, milliWh]) => ({
    window,
    milliWh,
    pico: window.priceMicro * BigInt(milliWh)
  }))
  const pico = parts.reduce((sum, part) => sum + part.pico, 0n)
  return { amount: rounded(pico), currency, parts: parts.map(partOf) }
}

function windowAt(tariff: readonly TariffWindow[], zone: Zone, ms: number): TariffWindow | undefined {
  const localMs = ms + zone.offsetMs(ms)
  const day = Math.floor(localMs / dayMs)
  const minute = Math.floor((localMs - day * dayMs) / 60_000)
  return tariff.find(({ fromDay, toDay, fromMinute, toMinute }) => {
    if (day < fromDay || day > toDay) return false
    return fromMinute < toMinute ? minute >= fromMinute && minute < toMinute : minute >= fromMinute || minute < toMinute
  })
}

const partOf = ({ window, milliWh, pico }: { window: TariffWindow; milliWh: number; pico: bigint }): CostPart => ({
  from: clockOf(window.fromMinute),
  to: clockOf(window.toMinute),
  pricePerKwh: decimal(window.priceMicro, 6),
  energyWh: milliWh / 1000,
  amount: decimal(pico, 12)
})

const clockOf = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

/** Rounds half up: 0.005 becomes 0.01. Amounts are never negative here. */
const rounded = (pico: bigint): string => {
  const cents = (pico + 5_000_000_000n) / 10_000_000_000n
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

/** A decimal number without trailing zeros. */
function decimal(units: bigint, digits: number): string {
  const text = String(units).padStart(digits + 1, '0')
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, '')
}
