// The limits of `chargelift rejected`, each with its unit in its name.

/** How long the ingest may take to finish the messages that it has begun. */
export const stopMs = 5_000
