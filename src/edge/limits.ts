// The limits of `edge/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: poll interval accepted at all, and the one below which chargers are known to suffer. */
export const pollIntervalMsMin = 100
export const pollIntervalMsKind = 10_000
/** Edge: how often the status file is written, where there is one. */
export const statusFileIntervalMs = 10_000
/**
 * Edge: a poll that is due for this long means that the process is stuck. No request, and no reading of records, takes
 * so long.
 */
export const pollStuckMs = 10 * 60_000
/** Edge: `--once` waits this long for what is spooled to be acknowledged. */
export const onceTimeoutMs = 60_000
/** Edge: a check waits this long for its acknowledgement. It reports a certificate that ends within the second time. */
export const checkAckTimeoutMs = 30_000
export const certificateNoteMs = 30 * 86_400_000
/** Edge: after so long without a reading the charger's own records of sessions are asked, once. */
export const energyGapMs = 600_000
/** Edge: size of the spool on disk. */
export const spoolBytesDefault = 512 * 1024 * 1024
export const spoolBytesMin = 1024 * 1024
/** Edge: an unchanged value is published again after this long. */
export const heartbeatMsDefault = 15 * 60_000
/** Edge: at SIGTERM, how long unsent values may still leave. */
export const drainOnStopMs = 3_000
