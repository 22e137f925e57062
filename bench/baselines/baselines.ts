// What the product is compared with, each in a file of its own.

import type { Expected } from '../rig/product.ts'
import type { Target } from '../rig/target.ts'
import type { Bench } from '../scenarios/scenario.ts'
import type { BaselineName, Settings } from '../settings.ts'

export interface Baseline {
  readonly summary: string
  /** What is missing to run it here, and how to get it; undefined when nothing is. */
  readonly missing: (settings: Settings) => string | undefined
  readonly start: (bench: Bench, expected: Expected) => Promise<Target>
}

export const baselines: Readonly<Record<Exclude<BaselineName, 'copy-floor'>, Baseline>> = {} as never
