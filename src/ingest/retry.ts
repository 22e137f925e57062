// What an error of the database means for the batch, in one table. After an unknown error the batch is kept and
// retried: only errors of classes 22 and 23 can be the fault of a row. Source: PostgreSQL documentation, appendix A,
// "PostgreSQL Error Codes".

export type Verdict =
  /** Some row is stored already: take the merge. */
  | 'duplicate'
  /** Some row is not storable: find it, reject it, keep the rest. */
  | 'data'
  /** Not the batch's fault: keep it, back off, try again. */
  | 'retry'

export function verdictOf(error: unknown): Verdict {
  const code = sqlState(error)
  if (code === '23505') return 'duplicate' // unique_violation, whatever the constraint is called on a chunk
  if (code?.startsWith('22')) return 'data' // data exception: bad enum label, text too long, number out of range
  if (code?.startsWith('23')) return 'data' // integrity constraint: a check or not-null added by the operator
  // connections (08, 57P), resources (53), locks (55, 40), schema and rights (42), read-only (25), unknown
  return 'retry'
}

/** The SQLSTATE of an error from pg, else undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Full jitter between the limits, doubling with each attempt (1, 2, ...). `random` in [0, 1). */
export function retryDelayMs(attempt: number, minMs: number, maxMs: number, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** attempt)
  return Math.round(minMs + random * (ceiling - minMs))
}
