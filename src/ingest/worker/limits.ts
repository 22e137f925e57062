// The limits of `ingest/worker/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * The largest payload that is decoded. A larger payload is rejected unread. Values have a hundred bytes, an EdgeStatus
 * some hundreds.
 */
export const payloadBytesMax = 8_192
/** The number of parsed topics that a worker keeps. When it has this many, it forgets them all. */
export const topicsKeptMax = 32_768
/** The database cancels a single statement of the ingest path after this time. The batch is kept and retried. */
export const ingestStatementTimeoutMs = 60_000
/** The limit of a whole attempt, on our side. It exists because a database that has vanished ends no statement. */
export const ingestAttemptTimeoutMs = 75_000
/**
 * Rows that are older than this when they are stored are noted in history_changes. The history is derived again from
 * there.
 */
export const freshMs = 3 * 60_000
