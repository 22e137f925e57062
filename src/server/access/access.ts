// Who asks over HTTP, and whether the request is allowed: one check for every route. A request comes with a token
// (`Authorization: Bearer`) or with the session of a browser that signed in. As long as no token was ever made and the
// server listens on loopback alone, programs on this machine need neither. A page of another site, opened in a browser
// on this machine, is never such a program.

import { isIPv4 } from 'node:net'
import { DeniedError, type DenyCode } from '../../model/errors.ts'
import { denial, type ReportSecurity } from '../../model/server/security.ts'
import { wrongCredentialsPerMinuteMax } from './limits.ts'
import { isLoopbackHost } from './loopback.ts'
import type { TokenCache } from './tokenCache.ts'
import { type AccessRole, accessRoles, type Grant } from './tokens.ts'
import { Windows } from './windows.ts'

export interface Caller {
  /** Name of the token. */
  readonly name: string
  readonly role: AccessRole
}

/** What the check reads of a request. */
export interface Asked {
  readonly method: string
  /** The named header, in lower case. */
  readonly header: (name: string) => string | undefined
  /** `address:port` at the other end of the socket. Headers in which a proxy names other addresses are ignored. */
  readonly address: string
}

export interface AccessOptions {
  /** Undefined until the database has answered. */
  readonly tokenCache: () => TokenCache | undefined
  readonly isLoopback: boolean
  readonly isTls: boolean
  readonly report: ReportSecurity
}

/** A program on this machine while there are no tokens: it may do everything. */
const local: Caller = { name: 'local', role: 'operator' }
/** The tokens are not known yet: nobody is let in, and no refusal is reported. */
export const unknown = 'unknown'
export type Who = Caller | DeniedError | typeof unknown

export const statusOf: Readonly<Partial<Record<DenyCode, 401 | 403 | 429>>> = {
  http_no_token: 401,
  http_wrong_token: 401,
  http_role: 403,
  http_host: 403,
  http_origin: 403,
  http_rate: 429
}

const attemptsMs = 60_000
const addressesMax = 10_000

export class Access {
  readonly #options: AccessOptions
  readonly #wrong = new Windows<{ count: number }>(attemptsMs, addressesMax)

  constructor(options: AccessOptions) {
    this.#options = options
  }

  get isTls(): boolean {
    return this.#options.isTls
  }

  /** Counts nothing and reports nothing; `refuse` reports. */
  async identify(asked: Asked): Promise<Who> {
    const tokenCache = this.#options.tokenCache()
    if (tokenCache === undefined) return unknown
    const authorization = asked.header('authorization')
    if (authorization !== undefined) return (await tokenCache.find('token', bearerOf(authorization))) ?? wrongToken()
    const session = this.sessionOf(asked)
    const grant = session === undefined ? undefined : await tokenCache.find('session', session)
    if (grant !== undefined) return grant
    if (this.#options.isLoopback && !tokenCache.isGuarded) return localFault(asked) ?? local
    return new DeniedError('http_no_token', `expected a token or a session (${howToAsk}), found neither`)
  }

  /**
   * The grant of a token with which somebody wants to sign in. An address that keeps sending wrong tokens is told to
   * slow down. The right token is always let in, so no client can lock out others behind its address. Guessing 256 bits
   * is hopeless at any rate.
   */
  async signIn(token: string, { address }: Asked): Promise<Grant | DeniedError | typeof unknown> {
    const tokenCache = this.#options.tokenCache()
    if (tokenCache === undefined) return unknown
    return (await tokenCache.find('token', token)) ?? (this.#isTooOften(address) ? tooOften() : wrongToken())
  }

  /** The session id in a browser's cookie. */
  sessionOf(asked: Pick<Asked, 'header'>): string | undefined {
    const cookies = asked.header('cookie')?.split(/; */) ?? []
    const names = this.isTls ? [secureCookie] : [secureCookie, plainCookie]
    for (const name of names) {
      const found = cookies.find(cookie => cookie.startsWith(`${name}=`))
      if (found !== undefined) return found.slice(name.length + 1)
    }
    return undefined
  }

  /** Reports a refusal. */
  refuse(error: DeniedError, { address }: Asked, caller?: Caller): void {
    this.#options.report(denial(error, { identity: caller?.name ?? '', serial: '', address }))
  }

  #isTooOften(address: string): boolean {
    const attempts = this.#wrong.at(networkOf(address), Date.now(), () => ({ count: 0 }))
    return attempts === undefined || ++attempts.count > wrongCredentialsPerMinuteMax
  }
}

/**
 * `__Host-`: no other host, no plain page and no other path can have set the cookie. Browsers accept the prefix over
 * TLS only.
 */
export const secureCookie = '__Host-chargelift'
export const plainCookie = 'chargelift'
const howToAsk = '"Authorization: Bearer TOKEN", or sign in at /sign-in; tokens are made by: chargelift tokens add'

const bearerOf = (authorization: string): string => /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''

const wrongToken = (): DeniedError =>
  new DeniedError('http_wrong_token', `expected a token in force (${howToAsk}), found an unknown, revoked or ended one`)

const tooOften = (): DeniedError =>
  new DeniedError('http_rate', `expected at most ${wrongCredentialsPerMinuteMax} wrong attempts a minute, found more`)

export const may = (caller: Caller, role: AccessRole): boolean =>
  accessRoles.indexOf(caller.role) >= accessRoles.indexOf(role)

/** The address without its port. Of IPv6 the network, because a host has 2^64 addresses of its own. */
export function networkOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':')).replace('::ffff:', '')
  if (isIPv4(host)) return host
  const [head = ''] = host.split('::')
  return `${head.split(':').slice(0, 4).join(':')}::/64`
}

/**
 * A browser sends cookies, and reaches loopback, for pages of other sites too. It says so by Sec-Fetch-Site, an old
 * browser by Origin. Programs send neither header. Safe methods change nothing and their answers cannot be read across
 * origins, so they are allowed.
 */
export function originFault(asked: Asked): DeniedError | undefined {
  return isSafe(asked) || isSameOrigin(asked) ? undefined : foreignPage(asked)
}

/** A request without credentials must not come from a page of another site, whatever host name that page used. */
function localFault(asked: Asked): DeniedError | undefined {
  const host = asked.header('host') ?? ''
  if (!isLoopbackHost(host.replace(/:\d+$/, ''))) {
    return new DeniedError(
      'http_host',
      `expected Host localhost, 127.0.0.1 or [::1], found ${host.slice(0, 80)}; from elsewhere a token is needed`
    )
  }
  if (asked.header('forwarded') !== undefined || asked.header('x-forwarded-for') !== undefined) {
    return new DeniedError(
      'http_host',
      'expected a request of this machine, found one through a proxy; it needs a token'
    )
  }
  const isNavigation = isSafe(asked) && asked.header('sec-fetch-mode') === 'navigate'
  return isNavigation || isSameOrigin(asked) ? undefined : foreignPage(asked)
}

const foreignPage = (asked: Asked): DeniedError => {
  const found = asked.header('origin') ?? 'one of another site'
  return new DeniedError('http_origin', `expected a request of our own pages, found ${found.slice(0, 80)}`)
}

const isSafe = ({ method }: Asked): boolean => method === 'GET' || method === 'HEAD'

function isSameOrigin(asked: Asked): boolean {
  const site = asked.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = asked.header('origin')
  return origin === undefined || origin.replace(/^https?:\/\//, '') === asked.header('host')
}
