// The limits of `pki/`, each with its unit in its name. What can be set by a flag has its default here.

/** Lifetimes at issue. */
export const certificateDaysDefault = 825
export const caDaysDefault = 3_650
export const crlDaysDefault = 3_650
export const certificateDaysMax = 3_650
/** Chargers named in one certificate: at 64 characters each it stays below half of what OpenSSL takes as a chain. */
export const certificateChargersMax = 500
