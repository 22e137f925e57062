// The forms of --redis-url, one for each way in which people run Redis. Pure, but for the files that it names.
//   redis://user:password@host:6379/0                        one Redis
//   redis+sentinel://user:password@a:26379,b:26379/mymaster/0  behind Sentinels; the path names the master
//   redis+cluster://user:password@a:6379,b:6379              a Redis Cluster; some of its nodes
// Each with `rediss` for TLS, and then `?ca=FILE` for a CA of one's own, `cert=FILE&key=FILE` for a client certificate.

import { readFileSync } from 'node:fs'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

export interface RedisTls {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

export interface RedisPlace {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly addresses: readonly RedisAddress[]
  /** Of the master, for Sentinels. */
  readonly master?: string
  readonly username?: string
  readonly password?: string
  /** The user of the Sentinels, where they have another one. */
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
  readonly db: number
  /** Absent = no TLS. */
  readonly tls?: RedisTls
}

/** What to show for a URL of another form. */
export const redisUrlForms =
  'redis://user:password@host:6379/0, redis+sentinel://host:26379,host:26379/mymaster ' +
  'or redis+cluster://host:6379,host:6379; ' +
  'with rediss for TLS, and then ?ca=FILE with a file that can be read'

const form = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/?]*)@)?([^/?@]+)((?:\/[^?]*)?)(?:\?(.*))?$/
const portsDefault = { single: 6379, sentinel: 26_379, cluster: 6379 }
const parameters = ['ca', 'cert', 'key', 'sentinelUsername', 'sentinelPassword']

/** Throws an Error that says what was expected, and holds no password. */
export function parseRedisUrl(url: string): RedisPlace {
  const match = form.exec(url)
  if (match === null) throw new Error('redis://user:password@host:port/db, or redis+sentinel://, redis+cluster://')
  const [, s, kind = 'single', login = '', hosts = '', path = '', query = ''] = match as unknown as [
    string,
    string,
    RedisPlace['kind'] | undefined,
    string | undefined,
    ...string[]
  ]
  const options = new URLSearchParams(query)
  for (const name of options.keys()) {
    if (!parameters.includes(name)) throw new Error(`after ? only ${parameters.join(', ')}`)
  }
  const addresses = hosts.split(',').map(text => addressOf(text, portsDefault[kind]))
  if (kind === 'single' && addresses.length > 1)
    throw new Error('one host; several with redis+sentinel or redis+cluster')
  const names = path.split('/').filter(Boolean)
  const master = kind === 'sentinel' ? names.shift() : undefined
  if (kind === 'sentinel' && master === undefined)
    throw new Error('the name of the master after the Sentinels: /mymaster')
  const [db = '0', ...more] = names
  if (!/^\d{1,4}$/.test(db) || more.length > 0) throw new Error('a database number at the end of the path')
  if (kind === 'cluster' && db !== '0') throw new Error('no database number: a cluster has one database')
  const [username, password] = login.split(/:(.*)/s).map(decodeURIComponent)
  return {
    kind,
    addresses,
    ...(master !== undefined && { master }),
    ...(username && { username }),
    ...(password && { password }),
    ...optional(options, 'sentinelUsername'),
    ...optional(options, 'sentinelPassword'),
    db: Number(db),
    ...(s === 's' && { tls: tlsOf(options) })
  }
}

export function isRedisUrl(url: string): boolean {
  try {
    parseRedisUrl(url)
    return true
  } catch {
    return false
  }
}

function addressOf(text: string, portDefault: number): RedisAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const number = Number(port ?? portDefault)
  if (host === undefined || number < 1 || number > 65_535) throw new Error('each host as host or host:port')
  return { host, port: number }
}

function tlsOf(options: URLSearchParams): RedisTls {
  const file = (name: 'ca' | 'cert' | 'key'): RedisTls => {
    const path = options.get(name)
    return path === null ? {} : { [name]: readFileSync(path) }
  }
  return { ...file('ca'), ...file('cert'), ...file('key') }
}

const optional = (options: URLSearchParams, name: 'sentinelUsername' | 'sentinelPassword'): Partial<RedisPlace> => {
  const value = options.get(name)
  return value === null ? {} : { [name]: value }
}
