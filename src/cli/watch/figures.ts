// Formats figures, ages and texts from devices for a terminal.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const precise = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3, useGrouping: false })

export const count = (value: number): string => grouped.format(value)
export const number = (value: number): string => precise.format(value)

export function duration(seconds: number): string {
  if (seconds < 0.0995) return `${(seconds * 1000).toFixed(1)} ms`
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`
}

/** A time span such as `42 s`, `17 min`, `5 h` or `12 days`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 100) return `${seconds} s`
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`
  return seconds < 48 * 3_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`
}

/** Replaces the characters that a terminal could take as a command, in a text from a device or a server. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
export const harmless = (text: string): string => text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '\ufffd')

/** Cuts a line to the width and marks the cut. */
export function fit(line: string, width: number): string {
  const points = [...line]
  return points.length <= width ? line : `${points.slice(0, width - 1).join('')}…`
}

export function reasonOf({ message, code }: NodeJS.ErrnoException): string {
  if (code === 'ABORT_ERR') return 'nothing in time'
  return message === '' ? (code ?? 'no reason given') : message
}
