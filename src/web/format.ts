// Formats numbers and times for people: in the browser's locale, with units, in the caller's time zone. An unknown
// value becomes a dash.

export const unknownText = '–'

const formats = new Map<string, Intl.NumberFormat>()

/** Caches formats, because making a format is expensive and every row needs one. */
function numberFormat(digits: number, least = digits): Intl.NumberFormat {
  const key = `${digits}/${least}`
  let format = formats.get(key)
  if (format === undefined) {
    format = new Intl.NumberFormat(undefined, { maximumFractionDigits: digits, minimumFractionDigits: least })
    formats.set(key, format)
  }
  return format
}

type Known = number | null | undefined
const isNumber = (value: Known): value is number => value !== null && value !== undefined

export const formatNumber = (value: Known, digits = 0): string =>
  isNumber(value) ? numberFormat(digits).format(value) : unknownText

/** Formats W as kW, without the unit, because the column head has the unit. */
export const kilowatts = (watts: Known): string =>
  isNumber(watts) ? numberFormat(watts >= 1_000_000 ? 0 : watts >= 100_000 ? 1 : 2).format(watts / 1000) : unknownText

/** Formats Wh as kWh, without the unit. */
export const kilowattHours = (wattHours: Known): string => {
  if (!isNumber(wattHours)) return unknownText
  const value = wattHours / 1000
  return numberFormat(value >= 1_000 ? 0 : value >= 100 ? 1 : 2).format(value)
}

export const amperes = (value: Known): string => (isNumber(value) ? numberFormat(1, 0).format(value) : unknownText)

export const milliseconds = (seconds: Known): string =>
  isNumber(seconds) ? numberFormat(seconds < 0.1 ? 1 : 0).format(seconds * 1000) : unknownText

export function money(amount: Known, currency: string | null): string {
  if (!isNumber(amount)) return unknownText
  if (currency === null) return numberFormat(2).format(amount)
  try {
    return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(amount)
  } catch {
    return `${numberFormat(2).format(amount)} ${currency}` // not a currency of ISO 4217
  }
}

/** The time since a moment, in one unit: `3 s`, `5 min`, `2 h`, `4 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h`
  return `${numberFormat(0).format(Math.floor(seconds / 86_400))} d`
}

/** A duration such as `1 h 05 min`, `12 min` or `40 s`. */
export function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.max(0, Math.round(ms / 1000))} s`
  if (minutes < 60) return `${minutes} min`
  return `${numberFormat(0).format(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, '0')} min`
}

const times = new Map<string, Intl.DateTimeFormat>()

function timeFormat(timeZone: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = JSON.stringify([timeZone, options])
  let format = times.get(key)
  if (format === undefined) {
    format = new Intl.DateTimeFormat(undefined, { ...options, ...(timeZone !== undefined && { timeZone }) })
    times.set(key, format)
  }
  return format
}

export type Moment = string | number | null
const at = (moment: string | number): number => (typeof moment === 'number' ? moment : Date.parse(moment))

export const dateAndTime = (moment: Moment, timeZone?: string): string =>
  moment === null ? unknownText : timeFormat(timeZone, { dateStyle: 'medium', timeStyle: 'short' }).format(at(moment))

const day: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }
/** Omits the year. Only for times whose year is clear. */
export const dayAndTime = (moment: string | number, timeZone?: string): string =>
  timeFormat(timeZone, day).format(at(moment))

export const dateAndSeconds = (moment: Moment, timeZone?: string): string =>
  moment === null ? unknownText : timeFormat(timeZone, { dateStyle: 'medium', timeStyle: 'medium' }).format(at(moment))

export const timeOfDay = (moment: string | number, timeZone?: string): string =>
  timeFormat(timeZone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(at(moment))

export const monthName = ({ year, month }: Month): string =>
  timeFormat('UTC', { month: 'long', year: 'numeric' }).format(Date.UTC(year, month - 1, 1))

/** `month` is 1 to 12. */
export interface Month {
  readonly year: number
  readonly month: number
}

export const plusMonths = ({ year, month }: Month, months: number): Month => {
  const index = year * 12 + (month - 1) + months
  return { year: Math.floor(index / 12), month: (index % 12) + 1 }
}

export const monthKey = ({ year, month }: Month): string => `${year}-${String(month).padStart(2, '0')}`

export function monthOfKey(key: string): Month | undefined {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(key) ?? []
  return year === undefined ? undefined : { year: Number(year), month: Number(month) }
}

export function monthAt(ms: number, timeZone: string): Month {
  const parts = timeFormat(timeZone, {
    year: 'numeric',
    month: 'numeric',
    calendar: 'gregory',
    numberingSystem: 'latn'
  }).formatToParts(ms)
  const part = (type: string): number => Number(parts.find(candidate => candidate.type === type)!.value)
  return { year: part('year'), month: part('month') }
}
