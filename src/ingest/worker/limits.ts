// The limits of `ingest/worker/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * Largest payload that is decoded; a larger one is rejected unread. Ours have a hundred bytes, an EdgeStatus some
 * hundreds.
 */
export const payloadBytesMax = 8_192
/** Topics that a worker keeps taken apart; above it it starts anew. */
export const topicsKeptMax = 32_768
/** A single statement of the ingest path is cancelled by the server after this long; the batch is kept and retried. */
export const ingestStatementTimeoutMs = 60_000
/** A whole attempt, on our side: a database that vanished without a word ends no statement. */
export const ingestAttemptTimeoutMs = 75_000
/**
 * History: rows that are older than this when they are stored are noted in history_changes, and derived from by that.
 */
export const freshMs = 3 * 60_000
