// What a worker answers for a batch. Plain data, because it crosses threads.

import type { RejectCode } from '../model/errors.ts'
import type { Newest } from '../model/server/admission.ts'
import type { NumberedTopics } from './toldTopics.ts'

/** Outcomes per message; a message without an outcome stays `kept`. */
export const kept = 0
export const committed = 1
export const rejected = 2
/** Kept as well, and handed on: the late lane stores it. */
export const late = 3

export interface BatchResult {
  readonly outcomes: Uint8Array
  /** How many messages were rejected, by code. */
  readonly rejectedByCode: Readonly<Partial<Record<RejectCode, number>>>
  readonly newest: Newest
  /** Numbers of the identities that sent rows older than the columnstore age. */
  readonly lateIdentities: readonly number[]
  /** Rows written or merged. */
  readonly rows: number
}

/** As it crosses threads. */
export interface WorkerResult extends Omit<BatchResult, 'newest'> {
  readonly newest: Omit<Newest, 'topics'> & { readonly topics: NumberedTopics }
}

/** Nothing was stored, or it is not known: the lane keeps the batch and tries again. */
export interface BatchKept {
  readonly retry: { readonly code: string; readonly message: string }
}
