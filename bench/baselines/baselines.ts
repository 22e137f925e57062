// The systems that the product is compared with. Each has a file of its own. `copy-floor` is not in this table, because
// no fleet sends messages to it.

import type { Expected } from '../rig/product.ts'
import type { Target } from '../rig/target.ts'
import type { Bench } from '../scenarios/scenario.ts'
import type { BaselineName, Settings } from '../settings.ts'
import { floor, stockAedes } from './servers.ts'
import { telegraf } from './telegraf.ts'
import { tutorial } from './tutorial.ts'

export interface Baseline {
  readonly summary: string
  /** Says what is missing to run the baseline on this machine, and how to get it. Undefined when nothing is missing. */
  readonly missing: (settings: Settings) => string | undefined
  readonly start: (bench: Bench, expected: Expected) => Promise<Target>
}

export const baselines: Readonly<Record<Exclude<BaselineName, 'copy-floor'>, Baseline>> = {
  tutorial: tutorial('tutorial', 'Mosquitto and a subscriber that runs one INSERT per message', 1),
  'tutorial-batched': tutorial('tutorial-batched', 'the same, with multi-row INSERT', 1_000),
  'stock-aedes': stockAedes,
  floor,
  telegraf
}
