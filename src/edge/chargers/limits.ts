// The limits of `edge/chargers/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: largest answer of a charger that is read. */
export const chargerAnswerBytesMax = 256 * 1024
/** Edge: default poll interval while charging and otherwise. */
export const pollIntervalChargingMs = 10_000
export const pollIntervalIdleMs = 30_000
/** Edge: connect and whole-request limits of a poll. */
export const pollConnectTimeoutMs = 5_000
export const pollTimeoutMs = 15_000
/** Edge: the same limits where a person waits for the answer. */
export const probeConnectTimeoutMs = 4_000
export const probeTimeoutMs = 8_000
/** Edge: longest pause between polls of a charger that does not answer. */
export const pollBackoffMsMax = 120_000
/**
 * Edge: how often the master data of a charger (error code, phases, serial number) is read, and how often while
 * something is odd.
 */
export const deviceInfoIntervalMs = 300_000
export const deviceInfoOddIntervalMs = 60_000
/** Edge: so many failed polls in a row make the state of a charger unknown, and slow the polls down. */
export const pollMissesMax = 3
