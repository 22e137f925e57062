// The limits of `server/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * Packets and bytes per second that one identity may send. Above it, its sockets are read more slowly, and nothing is
 * lost.
 */
export const messagesPerSecondDefault = 50_000
export const bytesPerSecondDefault = 4 * 1024 * 1024
/** Memory of the whole process for what is not settled. Above it, connections over their fair share are not read. */
export const budgetBytesDefault = 256 * 1024 * 1024
export const budgetBytesMin = 16 * 1024 * 1024
/**
 * Raw rows are kept at least this much longer than they are accepted, so that nothing is derived from incomplete rows.
 */
export const retentionMarginMs = 2 * 86_400_000
/** Time to stop in all, and the least that each part gets when the parts before it were slow. */
export const stopTotalMs = 9_500
export const stopLeastMs = 500
/** Of it, the wait for batches, and the wait for each part that is not essential. */
export const stopBatchesMs = 5_000
export const stopRestMs = 1_000
/** A charger whose edge is away for a shorter time than this is not reported as offline. */
export const presenceGraceMsDefault = 30_000
/** A server that is silent for this long is gone, and its chargers are offline. */
export const nodeSilentMsDefault = 30_000
/** Problems: no value of a charger for this long. Its edge repeats unchanged values every 15 minutes. */
export const silentAfterMsDefault = 35 * 60_000
/** Webhook: the shortest secret to sign with. */
export const webhookSecretCharactersMin = 16
/** Pause between two attempts to reach a database that is away at the start. */
export const databaseRetryMs = 1_000
/** The embedded database that does not stop in an orderly way is killed this long before it would be abandoned. */
export const embeddedKillMs = 250
