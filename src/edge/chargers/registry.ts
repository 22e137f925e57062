// Which driver speaks to which model. A driver is loaded when the first charger needs it: a Pi has little memory.

import type { Charger, ChargerDriver, ChargerOptions } from './charger.ts'

interface Entry {
  readonly load: () => Promise<ChargerDriver>
  /** What `devKey` is for this model; absent if the model has no key. */
  readonly devKey?: string
}

const drivers: Readonly<Record<string, Entry>> = {
  'mennekes-amtron': {
    load: async () => (await import('./drivers/mennekesAmtron.ts')).mennekesAmtron,
    devKey: 'PIN 1 of the set-up sheet'
  },
  'mennekes-ecu': { load: async () => (await import('./drivers/mennekesEcu.ts')).mennekesEcu }
}

/** What `chargers[].driver` of the configuration may be. */
export const driverNames: readonly string[] = Object.keys(drivers)

/** What `chargers[].devKey` must be; undefined for a driver without a key and for an unknown driver. */
export const devKeyOf = (driver: string): string | undefined => drivers[driver]?.devKey

/** `driver` is one of driverNames: the configuration has checked it. */
export async function openCharger(driver: string, options: ChargerOptions): Promise<Charger> {
  const entry = drivers[driver]
  if (entry === undefined) throw new Error(`expected a driver of ${driverNames.join(', ')}, found ${driver}`)
  return (await entry.load())(options)
}

/** Loads the code that openCharger needs. */
export async function loadDriver(driver: string): Promise<void> {
  await drivers[driver]?.load()
}
