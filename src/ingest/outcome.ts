// What a worker answers for a batch. Plain data: it crosses threads. Three outcomes, never two.

import type { Newest } from '../model/admission.ts'
import type { RejectCode } from '../model/errors.ts'

/** Outcomes per message; a message that nobody names stays `kept`. */
export const kept = 0
export const committed = 1
export const rejected = 2

export interface BatchResult {
  readonly outcomes: Uint8Array
  /** How many messages were rejected, by code. */
  readonly rejectedByCode: Readonly<Partial<Record<RejectCode, number>>>
  readonly newest: Newest
  /** Rows written or merged. */
  readonly rows: number
}

/** Nothing was stored, or nobody knows: the lane keeps the batch and tries again. */
export interface BatchKept {
  readonly retry: { readonly code: string; readonly message: string }
}
