// Puts many samples into a spool in one transaction, as a long outage does.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { SpoolFile } from '../spool/spoolFile.ts'

/** The spool must not be open. Samples are numbered from 1 in a new file, and rise in time as `timeMs` has it. */
export function fillSpool(
  path: string,
  samples: number,
  valuesOf: (i: number) => Partial<ChargerValues>,
  { timeMs = (i: number) => i, charger = 'wb' } = {}
): void {
  const file = new SpoolFile({ path, maxBytes: 2 ** 32 }, false)
  const after = file.newestSeq()
  file.transaction(() => {
    for (let i = 1; i <= samples; i++) {
      const sample_values = JSON.stringify(valuesOf(i))
      file.insert('backlog', { seq: after + i, charger, time_ms: timeMs(i), sample_values, repeats: 0, mark: 0 })
    }
  })
  file.close()
}
