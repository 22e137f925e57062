// Holds all tariffs as they are in the database at one moment, and computes the costs of sessions.

import type { Db } from '../queryable.ts'
import { Zones } from '../zone.ts'
import { type Cost, costOf, type TariffWindow } from './tariff.ts'

/** The data of a charger that decides its costs. */
export interface Priced {
  readonly tariff: string | null
  readonly timeZone: string
}

export class PriceList {
  readonly #windows: ReadonlyMap<string, readonly TariffWindow[]>
  readonly #zones = new Zones()

  constructor(windows: ReadonlyMap<string, readonly TariffWindow[]>) {
    this.#windows = windows
  }

  /**
   * Undefined if no tariff applies to all of the energy. `quarterMilliWh` starts with the quarter hour of `startedMs`.
   */
  costOf({ tariff, timeZone }: Priced, startedMs: number, quarterMilliWh: readonly number[]): Cost | undefined {
    const windows = tariff === null ? undefined : this.#windows.get(tariff)
    return windows && costOf(startedMs, quarterMilliWh, windows, this.#zones.of(timeZone))
  }
}

export async function readPriceList(db: Db): Promise<PriceList> {
  const { rows } = await db.query(
    `SELECT name, currency, price_per_kwh::text AS price,
       CASE WHEN isfinite(valid_from) THEN valid_from - date '1970-01-01' END AS from_day,
       CASE WHEN isfinite(valid_to) THEN valid_to - date '1970-01-01' END AS to_day,
       (extract(epoch FROM window_from) / 60)::integer AS from_minute,
       (extract(epoch FROM window_to) / 60)::integer AS to_minute
     FROM tariffs ORDER BY name, valid_from, window_from`
  )
  const windows = new Map<string, TariffWindow[]>()
  for (const row of rows) {
    const name = String(row.name)
    windows.set(name, [...(windows.get(name) ?? []), windowOf(row)])
  }
  return new PriceList(windows)
}

const windowOf = (row: Record<string, unknown>): TariffWindow => ({
  fromDay: (row.from_day as number | null) ?? -Infinity,
  toDay: (row.to_day as number | null) ?? Infinity,
  fromMinute: Number(row.from_minute),
  toMinute: Number(row.to_minute),
  // The price is parsed when it is needed. A price that is no number (NaN) fails only for the chargers that pay it.
  get priceMicro() {
    return microOf(String(row.price))
  },
  currency: String(row.currency)
})

/** The millionths of a decimal number that has at most six digits after the point. */
export function microOf(decimal: string): bigint {
  const [whole = '0', part = ''] = decimal.split('.')
  return BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0').slice(0, 6))
}
