// The limits of `broker/gate/`, each with its unit in its name. What can be set by a flag has its default here.

/** Unacknowledged messages of one identity before its sockets are not read. */
export const windowMessagesMax = 1_024
/** What was not sent for so long may be sent at once. */
export const rateBurstMs = 1_000
/** QoS 2 messages of one connection between PUBLISH and PUBREL. */
export const receivedMessagesMax = 2_048
/** Keepalive asked for by a client is bounded to this; 0 counts as this too. */
export const keepaliveSecondsMax = 3_600
/** Bytes unsent to a client above which retained and queued messages wait for it. */
export const unsentWaitBytes = 256 * 1024
/** Bytes unsent to a client at which it is cut: news waits for nobody, and acknowledgements do not pile up. */
export const slowConsumerBytesMax = 4 * 1024 * 1024
