// The limits of `edge/uplink/`, each with its unit in its name. What can be set by a flag has its default here.

/** Edge: unacknowledged messages on the wire in all. */
export const publishWindowMax = 512
/** Edge: acknowledgements wait this long, or until there are this many, for the next append to carry them to disk. */
export const settleDelayMsMax = 60_000
export const settleCountMax = 1_024
/** Edge: a message without PUBACK for this long means a dead connection, answered pings or not. */
export const ackTimeoutMs = 5 * 60_000
/** Edge: bounds of the pause before the next connection; full jitter lies between 0 and the current bound. */
export const reconnectDelayMsMin = 1_000
export const reconnectDelayMsMax = 120_000
/** Edge: after a good connection is lost, and at process start, the pause is hashed from the name, below these. */
export const reconnectLostDelayMsMax = 10_000
export const connectStartDelayMsMax = 1_000
/** Edge: a server that says no to this very client is asked again after this long at the earliest. */
export const reconnectDeniedDelayMsMin = 30_000
/** Edge: a connection that lived this long was a good one: the pause after it starts small again. */
export const connectionProvenMs = 20_000
/** Edge: the keepalive that CONNECT asks for; TLS handshake and CONNACK together must end within the second time. */
export const edgeKeepaliveSeconds = 30
export const edgeConnectTimeoutMs = 20_000
/** Edge: how often the server is asked for its time on a connection that lives. */
export const serverTimeIntervalMs = 3_600_000
/** Edge: bounds of the time between two EdgeStatus of one charger, and how often it is looked whether there is news. */
export const statusIntervalMsMin = 60_000
export const statusIntervalMsMax = 3_600_000
export const statusLookIntervalMs = 5_000
/** Edge: an answer to SUBSCRIBE, and after it the message asked for, must come within this time each. */
export const answerTimeoutMs = 5_000
/** Edge: retained values may come a little later than what was asked for after them. */
export const retainedGraceMs = 500
