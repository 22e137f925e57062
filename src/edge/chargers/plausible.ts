// Leaves values out that no charger can have, and names them so that they are counted. All drivers share it. Pure.

import { chargerStatusCodePointsMax, connectedVehicleCodePointsMax } from '../../model/wire/limits.ts'

/** Collects what was left out of one answer. */
export class Plausible {
  /** In the form of `Sample.implausible`. */
  readonly found: string[] = []

  /**
   * The value if it is a number between 0 and `max`. Undefined if the charger left it out, or says null. A number that
   * is written as a text is left out, too: a driver that expects texts converts them itself.
   */
  number(name: string, value: number | null | undefined, max: number): number | undefined {
    if (value === undefined || value === null) return undefined
    // JSON of a box has any type, whatever the driver declares.
    if (typeof value === 'number' && value >= 0 && value <= max) return value
    this.found.push(`${name} ${typeof value === 'number' ? value : typeof value}`)
    return undefined
  }

  /** The card or vehicle, if the wire contract takes it. Its text is personal data: `found` gets its name alone. */
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

/** An object with that member, or an empty one where the value is undefined. */
export const optional = <Name extends string, T>(name: Name, value: T | undefined): { [K in Name]?: T } =>
  (value === undefined ? {} : { [name]: value }) as { [K in Name]?: T }

/** Wh; ten cars in one session. */
export const sessionEnergyWhMax = 1_000_000
/** A per phase; type 2 ends at 63 A. */
export const currentAmperesMax = 80
