// The limits of `server/monitoring/problems/`, each with its unit in its name.

/**
 * Problems: the oldest sample on an edge's disk is older than this. The certificate of an edge ends within this time.
 */
export const backlogAgeMs = 15 * 60_000
export const certificateSoonMs = 30 * 86_400_000
/**
 * Problems: all chargers are checked this often, more than 20,000 less often (1 % of a core). After this many, others
 * have their turn.
 */
export const problemLookMs = 5_000
export const problemLookChargersPerMs = 4
export const problemLookCount = 500
/**
 * Webhook: a problem is reported when it has been there, or gone, for this long. Younger ones of the same condition are
 * included.
 */
export const webhookAfterMs = 15 * 60_000
export const webhookAlongMs = 5 * 60_000
/** Webhook: time for an answer, and bounds of the pause before the next attempt. */
export const webhookTimeoutMs = 10_000
export const webhookPauseMsMin = 10_000
export const webhookPauseMsMax = 15 * 60_000
/** Webhook: chargers that a message names for each condition. The others are counted. */
export const webhookNamesMax = 20
