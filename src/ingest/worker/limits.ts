// The limits of `ingest/worker/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * Largest payload that is decoded. A larger one is rejected unread. Values have a hundred bytes, an EdgeStatus some
 * hundreds.
 */
export const payloadBytesMax = 8_192
/** Topics that a worker keeps taken apart; above it, it forgets them all. */
export const topicsKeptMax = 32_768
/** A single statement of the ingest path is cancelled by the server after this long; the batch is kept and retried. */
export const ingestStatementTimeoutMs = 60_000
/** A whole attempt, on our side: a database that has vanished ends no statement. */
export const ingestAttemptTimeoutMs = 75_000
/**
 * Rows older than this when they are stored are noted in history_changes, and the history is derived anew from there.
 */
export const freshMs = 3 * 60_000
