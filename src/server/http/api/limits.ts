// The limits of `server/http/api/`, each with its unit in its name. What can be set by a flag has its default here.

/** How often a listener's token is checked again. */
export const liveRecheckMs = 5_000
/** Rows of an answer of the HTTP API, and when its query is given up. */
export const chargersPageDefault = 500
export const chargersPageMax = 1_000
export const readingsPageDefault = 1_000
export const readingsPageMax = 5_000
/** Of a page of readings by bucket: buckets, and days of raw rows where a bucket is a day. */
export const bucketsPageMax = 1_500
export const bucketDaysMax = 62
export const sessionsPageDefault = 200
export const sessionsPageMax = 1_000
/**
 * The same in a server, whose main thread has other work: fewer rows at once, a pause after them, and few exports at
 * once.
 */
export const exportPieceRows = 500
export const exportPauseMs = 20
export const exportsMax = 2
/** How long an export may stand still because its client does not read. */
export const exportStillMsMax = 60_000
export const messagesPageDefault = 100
export const messagesPageMax = 500
