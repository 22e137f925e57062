// The limits of `edge/spool/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: acknowledged samples stay in the spool for this long, if there is room, so that they can be sent again. */
export const settledKeepMs = 14 * 86_400_000
/** Edge: how often samples older than that are looked for. */
export const settledPurgeIntervalMs = 3_600_000
/** Edge: pages of the spool on disk; small, because a poll writes three of them. */
export const spoolPageBytes = 1_024
/** Edge: the spool's log is written back into its file at this size (less when the spool is small). */
export const spoolLogBytesMax = 1024 * 1024
/** Edge: damaged spools that are kept beside the new one. */
export const damagedFilesMax = 2
/** Edge: samples that one append may read, write or remove to make room; a poll must not wait for more. */
export const makeRoomCountMax = 256
/** Edge: samples that go whole, at once, when thinning has nothing left to give. */
export const dropCountMax = 64
/** Edge: samples that a replay moves in one transaction. */
export const replayCountMax = 2_048
/** Edge: how often it is looked whether a replay was asked for. */
export const replayLookIntervalMs = 60_000
/** Edge: what a full spool gives up is told this often. */
export const spoolLogIntervalMs = 60_000
/** Edge: a full spool keeps measurements once in the first period, later once in the second. */
export const thinFineMs = 60_000
export const thinCoarseMs = 15 * 60_000
