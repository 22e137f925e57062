// The limits of `server/`, each with its unit in its name. What can be set by a flag has its default here.

/** Packets and bytes that one identity may send; above it its sockets are read more slowly, and nothing is lost. */
export const messagesPerSecondDefault = 50_000
export const bytesPerSecondDefault = 4 * 1024 * 1024
/** Memory for what is not settled, in the whole process: over it connections above their fair share are not read. */
export const budgetBytesDefault = 256 * 1024 * 1024
export const budgetBytesMin = 16 * 1024 * 1024
/** Raw rows are kept at least so much longer than they are accepted: what is derived is never from rows that are half gone. */
export const retentionMarginMs = 2 * 86_400_000
/** Stopping as a whole: what is left when the others are slow is the last one's, but at least so much. */
export const stopTotalMs = 9_500
export const stopLeastMs = 500
/** Of it, stopping waits this long for batches, and this long for each of what is not essential. */
export const stopBatchesMs = 5_000
export const stopRestMs = 1_000
/** A charger whose edge is away for a shorter time is not reported as offline. */
export const presenceGraceMsDefault = 30_000
/** A server that did not say for so long that it lives is gone, and its chargers are offline. */
export const nodeSilentMsDefault = 30_000
/** Problems: no value of a charger for this long; its edge repeats what does not change every 15 minutes. */
export const silentAfterMsDefault = 35 * 60_000
/** Webhook: shortest secret to sign with. */
export const webhookSecretCharactersMin = 16
/** Between two attempts to reach a database that is away at the start. */
export const databaseRetryMs = 1_000
/** The embedded database that does not stop in an orderly way is killed this long before it would be abandoned. */
export const embeddedKillMs = 250
