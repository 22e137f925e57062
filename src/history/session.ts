// A charging session as it is derived, and its energy by quarter hour. Costs are split by these quarter hours, even
// long after the raw rows are gone. Times are µs since the Unix epoch, energies Wh. Pure.

export const quarterUs = 900_000_000

export interface Session {
  startedUs: number
  /** Null while the session is open. */
  endedUs: number | null
  energyWh: number
  peakPowerW: number | null
  /** The last card that is not empty. Empty when there was no card. */
  vehicle: string
  /** The number of pauses after which charging resumed. */
  interruptions: number
  /** The lifetime counter. Null where the charger reports none. */
  meterStartWh: number | null
  meterEndWh: number | null
  /** True when the start, the end or the energy is inferred, not observed. */
  estimated: boolean
  /** When the session last charged, as far as that is known. */
  chargedUntilUs: number
  /** Wh of each quarter hour (UTC), from the quarter hour of the start on. */
  curve: number[]
  /** The time of the row that changed the session last. */
  lastRowUs: number
}

const quarterOf = (timeUs: number): number => Math.floor(timeUs / quarterUs)

/**
 * Spreads energy evenly over a time. No energy counts before the session's start: the energy is spread from the start
 * on.
 */
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
 * The curve in whole thousandths of a Wh. The parts add up to the session's energy in thousandths. The running sum is
 * rounded, not each part, so rounding neither loses nor adds energy.
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
