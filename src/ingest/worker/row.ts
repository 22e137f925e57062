// One row of `ev_readings` in the making: the values of one charger and one SamplingTime. Decoding makes it, its
// messages fill it, and storing notes its outcome.

import type { RejectCode } from '../../model/errors.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import type { Value } from '../../model/wire/envelope.ts'

export class Row {
  readonly charger: string
  chargerId = 0
  readonly timeUs: number
  /** In the order of `valueSpecs`, as decoded; of two messages for one column the first counts. */
  readonly values: (Value | undefined)[] = Array.from(noValues)
  /** The values in the database after a merge. */
  stored: readonly (Value | undefined)[] | undefined
  /** Some message of it carried the DUP flag: it may be stored already. */
  dup = false
  /** Why the database refused this row, if it did. */
  refusal: { readonly code: RejectCode; readonly reason: string } | undefined

  constructor(charger: string, timeUs: number) {
    this.charger = charger
    this.timeUs = timeUs
  }
}

const noValues: readonly undefined[] = new Array(valueSpecs.length).fill(undefined)
