// The errors of the system, named by what the caller does with them. Codes are stable and public:
// they appear in logs, metrics and `rejected_messages.code`. Messages say what was expected, what was found, what to
// do.

/** Reasons for which a message is stored in `rejected_messages` instead of `ev_readings`. */
export const rejectCodes = [
  'not_utf8',
  'not_json',
  'not_an_object',
  'bad_member',
  'empty_payload',
  'too_large',
  'unknown_value_name',
  'wrong_type',
  'not_finite',
  'out_of_range',
  'bad_text',
  'unknown_state',
  'bad_time',
  'time_out_of_window',
  'conflict',
  'undecodable',
  'database_error'
] as const
export type RejectCode = (typeof rejectCodes)[number]

/** Which rule a connection broke when it is closed, or a request when it is refused. */
export const denyCodes = [
  'no_certificate',
  'bad_common_name',
  'bad_role',
  'bad_charger_list',
  'wrong_key_usage',
  'expired_certificate',
  'unknown_ca',
  'revoked',
  'crl_expired',
  'handshake',
  'too_many_connections',
  'client_id',
  'publish_topic',
  'will_topic',
  'subscribe_filter',
  'subscription_limit',
  'malformed_packet',
  'packet_too_large',
  'protocol',
  'timeout',
  'slow_consumer',
  'http_no_token',
  'http_wrong_token',
  'http_role',
  'http_host',
  'http_origin',
  'http_rate'
] as const
export type DenyCode = (typeof denyCodes)[number]

class ChargeliftError extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** Keep what you have, back off, try again. */
export class RetryableError extends ChargeliftError {}

/** Store the message with this reason and acknowledge it. */
export class RejectedError extends ChargeliftError {
  declare readonly code: RejectCode
  constructor(code: RejectCode, message: string) {
    super(code, message)
  }
}

/** Close the connection. */
export class DeniedError extends ChargeliftError {
  declare readonly code: DenyCode
  constructor(code: DenyCode, message: string) {
    super(code, message)
  }
}

/** One fault of a configuration: where, what was expected, what was found. */
export interface ConfigFault {
  readonly path: string
  readonly expected: string
  readonly found: string
}

/** All faults of a configuration at once. The command line prints them and exits 78 (sysexits EX_CONFIG). */
export class ConfigError extends ChargeliftError {
  readonly faults: readonly ConfigFault[]
  constructor(faults: readonly ConfigFault[], options?: ErrorOptions) {
    super(
      'config',
      faults.map(fault => `${fault.path}: expected ${fault.expected}, found ${fault.found}`).join('\n'),
      options
    )
    this.faults = faults
  }
}

export const exitCodeConfig = 78
