// Why a connection to the server ended, in stable words, and what a person can do about it. Pure tables.

/** System and TLS codes unchanged, CONNACK codes as `CONNACK 5`, otherwise the message. */
export function reasonOf(error: Error): string {
  const { code } = error as { code?: string | number }
  if (typeof code === 'number') return `CONNACK ${code}`
  return typeof code === 'string' ? code : error.message
}

/** True if the server refused this very client, by CONNACK or by a TLS alert: asking again soon changes nothing. */
export const isDenied = (reason: string): boolean =>
  /^CONNACK [1245]$/.test(reason) || /^ERR_SSL_.*ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(reason)

const advice: readonly (readonly [reason: RegExp, whatToDo: string])[] = [
  [/^CONNACK 1$/, 'the server does not speak MQTT 3.1.1: check the address in broker'],
  [/^CONNACK 2$/, "the server refuses the client id: it must be the certificate's CN, and is; check the server"],
  [/^CONNACK 3$/, 'the server is not ready or overloaded: nothing to do here, the edge tries again'],
  [
    /^CONNACK 4$/,
    'the server wants a user name and password, which this edge does not have: check the address in broker'
  ],
  [
    /^CONNACK 5$/,
    "the server refuses this edge's certificate: was it revoked? Issue a new one (chargelift certs issue)"
  ],
  [/ALERT.*EXPIRED/, "this edge's certificate has expired: issue a new one (chargelift certs issue)"],
  [/ALERT/, "the server refuses this edge's certificate: is it signed by the server's authority, and not revoked?"],
  [/^CERT_HAS_EXPIRED$/, "the server's certificate has expired, or this machine's clock is wrong"],
  [/^CERT_NOT_YET_VALID$/, "this machine's clock is wrong, or the server's certificate begins in the future"],
  [/ALTNAME_INVALID/, "the server's certificate is for another host than the one in broker"],
  [
    /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)|SIGNATURE/,
    "tls.ca is not the authority that signed the server's certificate"
  ],
  [
    /^closed by the server$/,
    "the server closed before it answered: is that its MQTT port, and this edge's certificate not revoked?"
  ],
  [/^ENOTFOUND$|^EAI_AGAIN$/, 'the name in broker is not known here: is the network up, and the name right?'],
  [/^ECONNREFUSED$/, 'nobody listens there: is the server up, and the port in broker right?'],
  [
    /^E(HOST|NET)UNREACH$|^ETIMEDOUT$|timeout/,
    'no answer from there: is the network up, and the port open in the firewalls?'
  ]
]

/** What to do about a failed connection; undefined if unknown. */
export const whatToDo = (reason: string): string | undefined => advice.find(([pattern]) => pattern.test(reason))?.[1]
