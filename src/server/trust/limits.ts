// The limits of `server/trust/`, each with its unit in its name. What can be set by a flag has its default here.

/** CA, certificate, key and revocation list are looked at this often; what has changed is read when it stays as it is. */
export const tlsFilesLookMs = 500
