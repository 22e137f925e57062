// Days and minutes on the clock of a site. Asks the time zone data once per day of UTC where the clock does not change.

const dayMs = 86_400_000

export class LocalTime {
  readonly #format: Intl.DateTimeFormat
  readonly #offsets = new Map<number, number>()

  /** Throws RangeError for an unknown zone. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric'
    })
  }

  /** `day` since 1970-01-01, `minute` since its midnight on the clock. */
  at(ms: number): { readonly day: number; readonly minute: number } {
    const local = ms + this.#offsetMs(ms)
    const day = Math.floor(local / dayMs)
    return { day, minute: Math.floor((local - day * dayMs) / 60_000) }
  }

  /** When a day begins, ms since the Unix epoch; where the clock leaps over midnight, the first moment after. */
  startOf(day: number): number {
    const guess = day * dayMs
    const first = guess - this.#offsetAt(guess)
    const second = guess - this.#offsetAt(first)
    return this.at(Math.min(first, second)).day === day ? Math.min(first, second) : Math.max(first, second)
  }

  #offsetMs(ms: number): number {
    const day = Math.floor(ms / dayMs)
    let offset = this.#offsets.get(day)
    if (offset === undefined) {
      const begin = this.#offsetAt(day * dayMs)
      // Not a number: it changes within this day.
      offset = begin === this.#offsetAt((day + 1) * dayMs) ? begin : Number.NaN
      this.#offsets.set(day, offset)
    }
    return Number.isNaN(offset) ? this.#offsetAt(ms) : offset
  }

  #offsetAt(ms: number): number {
    const parts: Record<string, string> = {}
    for (const { type, value } of this.#format.formatToParts(ms)) parts[type] = value
    const of = (name: string): number => Number(parts[name])
    const local = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
    return local - Math.floor(ms / 1000) * 1000
  }
}
