// What no charger can have is left out of a sample, and named, so that it is counted. Pure; all drivers share it.

import { chargerStatusCodePointsMax, connectedVehicleCodePointsMax } from '../../model/wire/limits.ts'

/** Collects what was left out of one answer. */
export class Plausible {
  /** As `Sample.implausible` has it. */
  readonly found: string[] = []

  /** The value where it lies between 0 and `max`; undefined where it was not told. */
  number(name: string, value: number | undefined, max: number): number | undefined {
    if (value === undefined || (value >= 0 && value <= max)) return value
    this.found.push(`${name} ${value}`)
    return undefined
  }

  /** A card or vehicle that the wire contract takes. Its text is personal data: only its name is told. */
  card(name: string, word: string | undefined): string | undefined {
    const fits =
      word === undefined ||
      (word.isWellFormed() && !word.includes('\0') && [...word].length <= connectedVehicleCodePointsMax)
    if (fits) return word
    this.found.push(name)
    return undefined
  }
}

/** The charger's word, cut to what the wire contract takes. */
export const chargerWord = (word: string): string =>
  [...word.toWellFormed().replaceAll('\0', '')].slice(0, chargerStatusCodePointsMax).join('')

/** Absent where the value is undefined. */
export const optional = <Name extends string, T>(name: Name, value: T | undefined): { [K in Name]?: T } =>
  (value === undefined ? {} : { [name]: value }) as { [K in Name]?: T }

/** Wh; ten cars in one session. */
export const sessionEnergyWhMax = 1_000_000
/** A per phase; type 2 ends at 63 A. */
export const currentAmperesMax = 80
