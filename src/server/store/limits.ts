// The limits of `server/store/`, each with its unit in its name. What can be set by a flag has its default here.

/**
 * Rejected messages that may become storable are kept this long, and up to this size. All others are kept up to their
 * own size.
 */
export const rejectedDaysMax = 30
export const rejectedRecoverableBytesMax = 512 * 1024 * 1024
export const rejectedOtherBytesMax = 256 * 1024 * 1024
/** The sizes are checked this often, and whenever this many more messages were rejected. */
export const rejectedRunMs = 3_600_000
export const rejectedRunMessages = 100_000
/** Connections that write beside the ingest path. */
export const writeConnectionsMax = 4
/** Connections that only read, and the longest statement of one. */
export const readConnectionsMax = 3
export const readStatementTimeoutMs = 15_000
