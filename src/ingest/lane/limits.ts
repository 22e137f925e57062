// The limits of `ingest/lane/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * After a batch with this many messages, the next batch waits for its age, unless half as many messages have gathered
 * already.
 */
export const batchMessagesLarge = 1_024
/** The first and the longest pause before a kept batch is tried again. Full jitter lies between them. */
export const retryDelayMinMs = 50
export const retryDelayMaxMs = 2_000
/** The age at which TimescaleDB compresses day chunks (sql/always_columnstore.sql). Older rows take the late lane. */
export const columnstoreAgeMs = 3 * 86_400_000
