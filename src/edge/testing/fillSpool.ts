// Writes many samples into a Spool in one transaction, like the samples of a long outage.

import type { ChargerValues } from '../../model/wire/chargerState.ts'
import { SpoolFile } from '../spool/spoolFile.ts'

/**
 * Fills a Spool, which must not be open. In a new file the samples have the numbers from 1. `timeMs` gives their times.
 */
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
