// Which driver speaks to which model. A driver is loaded when the first charger needs it: a Pi has little memory.

import type { Charger, ChargerDriver, ChargerOptions } from './charger.ts'

const drivers: Readonly<Record<string, () => Promise<ChargerDriver>>> = {
  'mennekes-amtron': async () => (await import('./mennekesAmtron.ts')).mennekesAmtron
}

/** What `chargers[].driver` of the configuration may be. */
export const driverNames: readonly string[] = Object.keys(drivers)

/** `driver` is one of driverNames: the configuration has checked it. */
export async function openCharger(driver: string, options: ChargerOptions): Promise<Charger> {
  const load = drivers[driver]
  if (load === undefined) throw new Error(`expected a driver of ${driverNames.join(', ')}, found ${driver}`)
  return (await load())(options)
}
