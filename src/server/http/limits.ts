// The limits of `server/http/`, each with its unit in its name. What can be set by a flag has its default here.

/** HTTP: largest body of a request, connections at once, and the time for a whole request to arrive. */
export const httpBodyBytesMax = 16 * 1024
export const httpConnectionsMax = 1_024
export const httpRequestTimeoutMs = 30_000
/** Bytes that may wait in a stream before its listener counts as slow, and how long a listener may be slow. */
export const liveUnsentBytesMax = 256 * 1024
export const liveBehindMsMax = 30_000
export const liveListenersMax = 200
