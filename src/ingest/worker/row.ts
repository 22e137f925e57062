// One row of `ev_readings` while it is made: the values of one charger and one SamplingTime. Decoding creates the row,
// its messages fill it, and storing notes its outcome.

import type { RejectCode } from '../../model/errors.ts'
import { valueSpecs } from '../../model/wire/chargerState.ts'
import type { Value } from '../../model/wire/envelope.ts'

export class Row {
  readonly charger: string
  chargerId = 0
  readonly timeUs: number
  /** The decoded values, in the order of `valueSpecs`. If two messages have the same column, the first one counts. */
  readonly values: (Value | undefined)[] = Array.from(noValues)
  /** The values in the database after a merge. */
  stored: readonly (Value | undefined)[] | undefined
  /** True when some message of the row carried the DUP flag. Then the row may be stored already. */
  dup = false
  /** Why the database refused this row. Undefined if it did not. */
  refusal: { readonly code: RejectCode; readonly reason: string } | undefined

  constructor(charger: string, timeUs: number) {
    this.charger = charger
    this.timeUs = timeUs
  }
}

const noValues: readonly undefined[] = new Array(valueSpecs.length).fill(undefined)
