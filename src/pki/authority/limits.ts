// The limits of `pki/authority/`, each with its unit in its name. What can be set by a flag has its default here.

/** A certificate begins this long before its issue: a Pi has no clock battery and wakes up in the past. */
export const certificateBackdateMs = 86_400_000
/** The server's certificate is made anew by `certs init` when it ends within this time. */
export const serverRenewalMs = 30 * 86_400_000
/** The revocation list is signed anew by `certs init` when it ends within this time, and by every revocation. */
export const crlRenewalMs = 30 * 86_400_000
