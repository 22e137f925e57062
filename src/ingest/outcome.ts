// The answer of a worker for a batch. It is plain data, because it crosses threads.

import type { RejectCode } from '../model/errors.ts'
import type { Newest } from '../model/server/admission.ts'
import type { NumberedTopics } from './toldTopics.ts'

/** The outcomes of messages. A message without an outcome stays `kept`. */
export const kept = 0
export const committed = 1
export const rejected = 2
/** The message is kept and handed on. The late lane stores it. */
export const late = 3

export interface BatchResult {
  readonly outcomes: Uint8Array
  /** The number of rejected messages, by code. */
  readonly rejectedByCode: Readonly<Partial<Record<RejectCode, number>>>
  readonly newest: Newest
  /** The numbers of the identities that sent rows older than the columnstore age. */
  readonly lateIdentities: readonly number[]
  /** The number of rows that were written or merged. */
  readonly rows: number
}

/** The result as it crosses threads. */
export interface WorkerResult extends Omit<BatchResult, 'newest'> {
  readonly newest: Omit<Newest, 'topics'> & { readonly topics: NumberedTopics }
}

/** Nothing was stored, or it is unknown whether anything was stored. The lane keeps the batch and tries again. */
export interface BatchKept {
  readonly retry: { readonly code: string; readonly message: string }
}
