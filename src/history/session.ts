// A charging session as it is derived, and its energy by quarter hours: costs are split by them when the raw rows are
// long gone. Times are µs since the Unix epoch, energies Wh. Pure.

export const quarterUs = 900_000_000

export interface Session {
  startedUs: number
  /** Null while open. */
  endedUs: number | null
  energyWh: number
  peakPowerW: number | null
  /** The last card that is not empty; empty for none. */
  vehicle: string
  /** Pauses after which it went on. */
  interruptions: number
  /** The lifetime counter; null where the charger tells none. */
  meterStartWh: number | null
  meterEndWh: number | null
  /** Its beginning, its end or its energy is concluded, not seen. */
  estimated: boolean
  /** When it charged last, as far as is known. */
  chargedUntilUs: number
  /** Wh of each quarter hour (UTC), from that of its start on. */
  curve: number[]
  /** The row that changed it last. */
  lastRowUs: number
}

const quarterOf = (timeUs: number): number => Math.floor(timeUs / quarterUs)

/** Spreads energy evenly over a time; what lies before the session's start counts at its start. */
export function addToCurve(session: Session, fromUs: number, toUs: number, energyWh: number): void {
  if (energyWh === 0) return
  const first = quarterOf(session.startedUs)
  const from = Math.max(fromUs, session.startedUs)
  const lengthUs = toUs - from
  const last = lengthUs > 0 ? quarterOf(toUs - 1) : Math.max(first, quarterOf(toUs))
  for (let i = session.curve.length; i <= last - first; i++) session.curve.push(0)
  if (lengthUs <= 0) {
    session.curve[last - first]! += energyWh
    return
  }
  for (let quarter = quarterOf(from); quarter <= last; quarter++) {
    const overlapUs = Math.min(toUs, (quarter + 1) * quarterUs) - Math.max(from, quarter * quarterUs)
    session.curve[quarter - first]! += (energyWh * overlapUs) / lengthUs
  }
}

/**
 * The curve in whole thousandths of a Wh whose sum is the session's energy in thousandths: the sum so far is rounded,
 * not each part, so nothing is lost or made by rounding.
 */
export function curveMilliWh({ curve, energyWh }: Pick<Session, 'curve' | 'energyWh'>): number[] {
  let sum = 0
  let told = 0
  const parts = curve.map(energy => {
    sum += energy
    const part = Math.round(sum * 1000) - told
    told += part
    return part
  })
  const rest = Math.round(energyWh * 1000) - told
  if (rest !== 0 && parts.length > 0) parts[parts.length - 1]! += rest
  return parts
}
