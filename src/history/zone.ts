// A time zone by its IANA name: where its days begin, and times with the zone's offset. The zone decides when the clock
// changes. The runtime is asked for an offset once per quarter hour, because no zone changes its offset within a
// quarter hour.

import { formatTime } from '../model/wire/envelope.ts'

const quarterMs = 900_000
const dayMs = 86_400_000
const cachedMax = 50_000

export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  readonly #offsets = new Map<number, number>()

  /** Throws RangeError for an unknown zone name. */
  constructor(name: string) {
    this.name = name
    this.#format = new Intl.DateTimeFormat('en', { timeZone: name, timeZoneName: 'longOffset' })
  }

  /** How far local time is ahead of UTC at this moment, in ms. */
  offsetMs(ms: number): number {
    const quarter = Math.floor(ms / quarterMs)
    let offset = this.#offsets.get(quarter)
    if (offset === undefined) {
      if (this.#offsets.size >= cachedMax) this.#offsets.clear()
      offset = this.#askOffset(quarter * quarterMs)
      this.#offsets.set(quarter, offset)
    }
    return offset
  }

  /** RFC 3339 with the zone's offset at that time: `2026-10-01T00:00:00.000+02:00`. */
  format(timeUs: number): string {
    const offsetMs = this.offsetMs(Math.floor(timeUs / 1000))
    return `${formatTime(timeUs + offsetMs * 1000).slice(0, -1)}${offsetText(offsetMs)}`
  }

  /** The calendar day at this moment: `2026-10-01`. */
  dayOf(ms: number): string {
    return new Date(ms + this.offsetMs(ms)).toISOString().slice(0, 10)
  }

  /**
   * The moment at which this day begins, in ms. If the clock skips midnight, the day begins at the first moment after
   * it. If midnight occurs twice, the day begins at the first one.
   */
  startOfDay(day: string): number {
    const localMs = Date.parse(`${day}T00:00:00Z`)
    const offsets = [this.offsetMs(localMs - dayMs), this.offsetMs(localMs + dayMs)]
    const candidates = offsets.map(offset => localMs - offset).sort((a, b) => a - b)
    const exact = candidates.find(ms => ms + this.offsetMs(ms) === localMs)
    return exact ?? this.#firstAfter(candidates[0]!, day)
  }

  /** The calendar day after this one. */
  static nextDay(day: string): string {
    return new Date(Date.parse(`${day}T00:00:00Z`) + dayMs).toISOString().slice(0, 10)
  }

  #firstAfter(fromMs: number, day: string): number {
    for (let ms = Math.floor(fromMs / quarterMs) * quarterMs; ; ms += quarterMs) if (this.dayOf(ms) >= day) return ms
  }

  #askOffset(ms: number): number {
    const text = this.#format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')!.value
    const [, sign, hours, minutes, seconds = '0'] = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? ['', '+', '0', '0']
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
  }
}

/** A cache of zones by name. All callers share the offsets that a zone has computed. */
export class Zones {
  readonly #zones = new Map<string, Zone>()

  of(name: string): Zone {
    const zone = this.#zones.get(name) ?? new Zone(name)
    this.#zones.set(name, zone)
    return zone
  }
}

function offsetText(offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
