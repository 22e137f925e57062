// Decides in one table what a database error means for the batch. After an unknown error the batch is kept and retried,
// because only errors of classes 22 and 23 can be the fault of a row. Source: PostgreSQL documentation, appendix A,
// "PostgreSQL Error Codes".

export type Verdict =
  /** Some row is already stored: use the merge. */
  | 'duplicate'
  /** Some row cannot be stored: find it, reject it, and keep the rest. */
  | 'data'
  /** The batch is not at fault: keep it, back off, and try again. */
  | 'retry'

export function verdictOf(error: unknown): Verdict {
  const code = sqlState(error)
  if (code === '23505') return 'duplicate' // unique_violation, whatever the constraint is called on a chunk
  if (code?.startsWith('22')) return 'data' // data exception: bad enum label, text too long, number out of range
  if (code?.startsWith('23')) return 'data' // integrity constraint: a check or not-null added by the operator
  // All others are retried: connections (08, 57P), resources (53), locks (55, 40), schema and rights (42), read-only
  // (25), unknown.
  return 'retry'
}

/** The SQLSTATE of an error from pg. Undefined for other errors. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/**
 * A random delay between `minMs` and a ceiling (full jitter). The ceiling doubles with each attempt (1, 2, ...), up to
 * `maxMs`. `random` lies in [0, 1).
 */
export function retryDelayMs(attempt: number, minMs: number, maxMs: number, random: number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** attempt)
  return Math.round(minMs + random * (ceiling - minMs))
}
