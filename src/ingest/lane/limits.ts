// The limits of `ingest/lane/`, each with its unit in its name. What can be set by a flag has its default here.

/** After a batch of this many, the next one waits for its age, unless half as many have gathered already. */
export const batchMessagesLarge = 1_024
/** First and longest pause before a kept batch is tried again; full jitter lies between. */
export const retryDelayMinMs = 50
export const retryDelayMaxMs = 2_000
/** Age at which TimescaleDB compresses day chunks (sql/always_columnstore.sql): older rows take the late lane. */
export const columnstoreAgeMs = 3 * 86_400_000
