import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { connectionsMaxDefault, handshakesPerSecondDefault } from '../broker/listener/limits.ts'
import { redisUrlForms } from '../broker/redis/redisUrl.ts'
import { workersDefault } from '../ingest/ingest.ts'
import { ConfigError } from '../model/errors.ts'
import { acceptPastMsDefault } from '../model/wire/limits.ts'
import { parseServerConfig, type ServerConfig, serverFlagsHelp } from './config.ts'
import {
  budgetBytesDefault,
  bytesPerSecondDefault,
  messagesPerSecondDefault,
  presenceGraceMsDefault,
  silentAfterMsDefault
} from './limits.ts'

type Environment = Record<string, string | undefined>
const parse = (args: readonly string[] = [], env: Environment = {}): ServerConfig => parseServerConfig(args, env)

function errorOf(args: readonly string[], env: Environment = {}): ConfigError {
  try {
    parse(args, env)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error
  }
  return assert.fail(`accepted: ${args.join(' ')} ${JSON.stringify(env)}`)
}
const faultsOf = (args: readonly string[], env: Environment = {}) => errorOf(args, env).faults

test('a program without a PostgreSQL of its own needs a database URL, and says so among the other faults', () => {
  const faults = (args: readonly string[]) => {
    try {
      parseServerConfig(args, {}, false)
    } catch (error) {
      return (error as ConfigError).faults.map(({ path, expected }) => `${path} ${expected}`)
    }
    return []
  }
  const [workers, database, ...more] = faults(['--workers', '0'])
  assert.match(workers!, /^--workers/)
  assert.match(database!, /^--database-url .*DATABASE_URL: this binary carries no PostgreSQL/)
  assert.deepEqual(more, [])
  assert.deepEqual(faults(['--database-url', 'postgres://h/d']), [])
  assert.equal(faults(['--database-url', 'mysql://h/d']).length, 1)
})

test('without flags and environment there are the documented defaults', () => {
  assert.deepEqual(parse(), {
    mqttHost: '0.0.0.0',
    mqttPorts: [8883],
    httpHost: '127.0.0.1',
    httpPort: 8080,
    httpTls: undefined,
    tls: { ca: 'certs/ca.pem', cert: 'certs/server.pem', key: 'certs/server.key', crl: 'certs/crl.pem' },
    crlStrict: false,
    connectionsMax: connectionsMaxDefault,
    handshakesPerSecond: handshakesPerSecondDefault,
    databaseUrl: undefined,
    readDatabaseUrl: undefined,
    dataDir: resolve('data'),
    redisUrl: undefined,
    processes: 1,
    part: undefined,
    nodeId: `${hostname()}:8883`,
    workers: workersDefault(),
    logLevel: 'info',
    acceptPastMs: acceptPastMsDefault,
    retentionMs: undefined,
    budgetBytes: budgetBytesDefault,
    limits: { messagesPerSecond: messagesPerSecondDefault, bytesPerSecond: bytesPerSecondDefault },
    drainMs: 0,
    silentAfterMs: silentAfterMsDefault,
    webhook: undefined,
    presenceGraceMs: presenceGraceMsDefault,
    nodeSilentMs: 30_000
  })
})

// The columns: flag, environment variable, text, the setting that it changes, and the expected value.
const each: [string, string, string, (config: ServerConfig) => unknown, unknown][] = [
  ['mqtt-host', 'CHARGELIFT_MQTT_HOST', '::1', config => config.mqttHost, '::1'],
  ['mqtt-port', 'CHARGELIFT_MQTT_PORT', '443', config => config.mqttPorts, [443]],
  ['http-host', 'CHARGELIFT_HTTP_HOST', '127.0.0.2', config => config.httpHost, '127.0.0.2'],
  ['http-port', 'CHARGELIFT_HTTP_PORT', '0', config => config.httpPort, 0],
  ['tls-ca', 'CHARGELIFT_TLS_CA', 'a', config => config.tls.ca, 'a'],
  ['tls-cert', 'CHARGELIFT_TLS_CERT', 'b', config => config.tls.cert, 'b'],
  ['tls-key', 'CHARGELIFT_TLS_KEY', 'c', config => config.tls.key, 'c'],
  ['max-connections', 'CHARGELIFT_MAX_CONNECTIONS', '7', config => config.connectionsMax, 7],
  ['handshakes-per-second', 'CHARGELIFT_HANDSHAKES_PER_SECOND', '9', config => config.handshakesPerSecond, 9],
  ['tls-crl', 'CHARGELIFT_TLS_CRL', 'd', config => config.tls.crl, 'd'],
  ['database-url', 'DATABASE_URL', 'postgresql://u:p@h/d', config => config.databaseUrl, 'postgresql://u:p@h/d'],
  [
    'read-database-url',
    'CHARGELIFT_READ_DATABASE_URL',
    'postgres://h/d',
    config => config.readDatabaseUrl,
    'postgres://h/d'
  ],
  ['data-dir', 'CHARGELIFT_DATA_DIR', '/x/y', config => config.dataDir, '/x/y'],
  ['redis-url', 'REDIS_URL', 'rediss://h:6380', config => config.redisUrl, 'rediss://h:6380'],
  ['node-id', 'CHARGELIFT_NODE_ID', 'n-1.x:8883', config => config.nodeId, 'n-1.x:8883'],
  ['processes', 'CHARGELIFT_PROCESSES', '1', config => config.processes, 1],
  ['workers', 'CHARGELIFT_WORKERS', '7', config => config.workers, 7],
  ['accept-past-days', 'CHARGELIFT_ACCEPT_PAST_DAYS', '30', config => config.acceptPastMs, 30 * 86_400_000],
  ['retention-days', 'CHARGELIFT_RETENTION_DAYS', '402', config => config.retentionMs, 402 * 86_400_000],
  ['memory-budget-mb', 'CHARGELIFT_MEMORY_BUDGET_MB', '64', config => config.budgetBytes, 64 * 1024 * 1024],
  ['messages-per-second', 'CHARGELIFT_MESSAGES_PER_SECOND', '20', config => config.limits.messagesPerSecond, 20],
  ['kilobytes-per-second', 'CHARGELIFT_KILOBYTES_PER_SECOND', '64', config => config.limits.bytesPerSecond, 65_536],
  ['drain-seconds', 'CHARGELIFT_DRAIN_SECONDS', '90', config => config.drainMs, 90_000],
  ['silent-minutes', 'CHARGELIFT_SILENT_MINUTES', '90', ({ silentAfterMs }) => silentAfterMs, 5_400_000],
  ['log-level', 'CHARGELIFT_LOG_LEVEL', 'debug', config => config.logLevel, 'debug']
]
test('every flag is also an environment variable, and the flag wins', () => {
  for (const [flag, name, text, of, expected] of each) {
    assert.deepEqual(of(parse([`--${flag}`, text])), expected, flag)
    assert.deepEqual(of(parse([`--${flag}=${text}`])), expected, flag)
    assert.deepEqual(of(parse([], { [name]: text })), expected, name)
    assert.deepEqual(of(parse([`--${flag}`, text], { [name]: 'neither legal nor asked' })), expected, flag)
  }
})

test('HTTP listens elsewhere than on loopback only with a certificate and its key', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    assert.equal(parse(['--http-host', host]).httpHost, host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.com', 'cloud.example.com', '::ffff:127.0.0.1']) {
    const [fault, ...others] = faultsOf(['--http-host', host])
    assert.deepEqual([fault!.path, fault!.found, others.length], ['--http-host', `"${host}" without TLS`, 0])
    const tls = ['--http-tls-cert', 'a', '--http-tls-key', 'b']
    assert.deepEqual(parse(['--http-host', host, ...tls]).httpTls, { cert: 'a', key: 'b' })
  }
  assert.deepEqual(parse([], { CHARGELIFT_HTTP_TLS_CERT: 'a', CHARGELIFT_HTTP_TLS_KEY: 'b' }).httpTls, {
    cert: 'a',
    key: 'b'
  })
  assert.deepEqual(
    faultsOf(['--http-tls-cert', 'a']).map(({ path }) => path),
    ['--http-tls-key']
  )
  assert.deepEqual(
    faultsOf(['--http-tls-key', 'b']).map(({ path }) => path),
    ['--http-tls-cert']
  )
})

test('an empty environment variable counts as absent', () => {
  assert.deepEqual(parse([], Object.fromEntries(each.map(([, name]) => [name, '']))), parse())
})

test('the URLs have their common names in the environment, and no second ones', () => {
  const env = { CHARGELIFT_DATABASE_URL: 'postgres://h/d', CHARGELIFT_REDIS_URL: 'redis://h' }
  assert.deepEqual(parse([], env), parse())
})

test('MQTT ports may be several: the flag is repeated, the variable has commas', () => {
  assert.deepEqual(parse(['--mqtt-port', '8883', '--mqtt-port', '443']).mqttPorts, [8883, 443])
  assert.deepEqual(parse([], { CHARGELIFT_MQTT_PORT: '8883,443' }).mqttPorts, [8883, 443])
  assert.deepEqual(parse(['--mqtt-port', '1'], { CHARGELIFT_MQTT_PORT: '8883,443' }).mqttPorts, [1])
})

test('the default node id is the host and the first MQTT port: the same at every start, another for a second server', () => {
  assert.equal(parse(['--mqtt-port', '1884', '--mqtt-port', '443']).nodeId, `${hostname()}:1884`)
  assert.equal(parse([], { CHARGELIFT_MQTT_PORT: '443,1884' }).nodeId, `${hostname()}:443`)
})

test('all faults are told at once, each with its flag, what was expected and what was found', () => {
  const args = ['--http-port', '65536', '--workers', '0', '--mqtt-port', '8883', '--mqtt-port=-1']
  const env = { CHARGELIFT_LOG_LEVEL: 'loud', DATABASE_URL: 'mysql://h/d', REDIS_URL: 'h:6379' }
  assert.deepEqual(faultsOf(args, env), [
    { path: '--mqtt-port', expected: 'a port, 0 to 65535', found: '["8883","-1"]' },
    { path: '--http-port', expected: 'a port, 0 to 65535', found: '"65536"' },
    {
      path: '--database-url',
      expected: 'postgres://user:password@host:port/database',
      found: 'mysql://... (the rest is not shown: it may hold a password)'
    },
    { path: '--redis-url', expected: redisUrlForms, found: 'another value (not shown: it may hold a password)' },
    { path: '--workers', expected: 'a whole number, 1 to 64', found: '"0"' },
    { path: '--log-level', expected: 'fatal|error|warn|info|debug|trace|silent', found: '"loud"' }
  ])
})

const illegal: [string, string[]][] = [
  ['mqtt-port', ['x', '-1', '65536', '1.5', 'NaN', 'Infinity']],
  ['http-port', ['x', '-1', '65536', '80a', '8080.5']],
  ['database-url', ['localhost', 'http://h/d', '/var/run', 'xpostgres://h/d']],
  [
    'redis-url',
    ['localhost:6379', 'http://h', 'redis://a,b', 'redis+sentinel://a', 'redis+cluster://a/1', 'rediss://a?ca=/none']
  ],
  ['node-id', ['', 'a b', 'a/b', '\u00e4', 'x'.repeat(129)]],
  ['workers', ['x', '0', '65', '-1', '1.5']],
  ['log-level', ['INFO', 'verbose', '30']]
]
test('a value that its flag does not expect is a fault', () => {
  for (const [flag, texts] of illegal) {
    for (const text of texts) {
      assert.deepEqual(
        faultsOf([`--${flag}=${text}`]).map(({ path }) => path),
        [`--${flag}`],
        `${flag} ${text}`
      )
    }
  }
})

test('an unknown flag, a lost word, or a flag without its value is a fault', () => {
  for (const [args, path, found] of [
    [['--mqtt-prot=1'], 'flags', '--mqtt-prot'],
    [['serve'], 'arguments', '"serve"'],
    [['-x'], 'flags', '-x'],
    [['--no-workers'], 'flags', '--no-workers'],
    [['--workers'], '--workers', 'nothing']
  ] as const) {
    const [fault, ...others] = faultsOf(args)
    assert.deepEqual([fault?.path, fault?.found, others.length], [path, found, 0])
  }
})

test('an unknown flag hides no other fault', () => {
  const found = faultsOf(['--mqtt-prot', '--http-port', '70000', '--workers=0', 'lost'])
  assert.deepEqual(
    found.map(({ path }) => path),
    ['flags', 'arguments', '--http-port', '--workers']
  )
})

test('only digits are a number, and nothing is no value', () => {
  for (const args of [
    ['--http-port='],
    ['--http-port', '0x50'],
    ['--http-port', '1e3'],
    ['--mqtt-host='],
    ['--tls-ca='],
    ['--workers', '1.5']
  ]) {
    assert.equal(faultsOf(args).length, 1, args.join(' '))
  }
  assert.equal(errorOf([], { CHARGELIFT_HTTP_PORT: ' ' }).faults.length, 1)
  assert.equal(errorOf([], { CHARGELIFT_MQTT_PORT: '8883,' }).faults.length, 1)
  assert.equal(errorOf([], { DATABASE_URL: 'postgres://' }).faults.length, 1)
})

test('a password in a URL is never shown', () => {
  for (const url of [
    'mysql://user:s3cret@h/d',
    'mysql://user:s3/cret@h/d',
    'mysql://user:s3@cret@h/d',
    'user:s3cret@h',
    'http://h/?password=s3cret',
    ' postgres://user:s3cret@h'
  ]) {
    for (const error of [errorOf([], { DATABASE_URL: url }), errorOf([], { REDIS_URL: url }), errorOf([url])]) {
      assert.doesNotMatch(JSON.stringify(error.faults) + error.message, /s3|cret/)
    }
  }
  assert.match(errorOf([], { DATABASE_URL: 'mysql://user:s3cret@h/d' }).message, /found mysql:\/\/\.\.\. /)
})

test('a switch stands alone, or says true or false', () => {
  const strict = (args: string[], env: Environment = {}): boolean => parse(args, env).crlStrict
  assert.deepEqual(
    [strict(['--crl-strict']), strict(['--crl-strict=true']), strict([], { CHARGELIFT_CRL_STRICT: 'true' })],
    [true, true, true]
  )
  assert.equal(strict(['--crl-strict=false'], { CHARGELIFT_CRL_STRICT: 'true' }), false)
  assert.deepEqual(
    faultsOf(['--crl-strict=maybe', '--http-port', '1']).map(({ path, expected }) => [path, expected]),
    [['--crl-strict', 'true or false']]
  )
})

test('the webhook has a URL and a secret, or neither is there; no fault shows either of them', () => {
  const url = ['--webhook-url', 'https://hooks.example.com/T0/S3CRET']
  const secret = ['--webhook-secret', '0123456789abcdef']
  assert.deepEqual(parse([...url, ...secret]).webhook, { url: url[1], secret: secret[1] })
  assert.deepEqual(
    faultsOf(url).map(({ path }) => path),
    ['--webhook-secret']
  )
  assert.deepEqual(
    faultsOf(secret).map(({ path }) => path),
    ['--webhook-url']
  )
  const both = errorOf(['--webhook-url', 'ftp://S3CRET', '--webhook-secret', 'S3CRET'])
  assert.deepEqual(
    both.faults.map(({ path, found }) => [path, found]),
    [
      ['--webhook-url', 'ftp://... (the rest is not shown: it may hold a password)'],
      ['--webhook-secret', '6 characters (not shown)']
    ]
  )
})

test('the help names every flag with its variable', () => {
  const help = serverFlagsHelp()
  const pair = [
    ['crl-strict', 'CHARGELIFT_CRL_STRICT'],
    ['http-tls-cert', 'CHARGELIFT_HTTP_TLS_CERT'],
    ['http-tls-key', 'CHARGELIFT_HTTP_TLS_KEY'],
    ['webhook-url', 'CHARGELIFT_WEBHOOK_URL'],
    ['webhook-secret', 'CHARGELIFT_WEBHOOK_SECRET']
  ]
  for (const [flag, name] of [...each, ...pair]) {
    assert.match(help, new RegExp(`--${flag} .*\\n(?: {5}.*\\n)*? +${name}$`, 'm'))
  }
  assert.equal(help.match(/^ {2}--/gm)!.length, each.length + pair.length)
})

test('nothing is accepted for a time whose readings may be gone: both numbers are told', () => {
  assert.equal(parse(['--retention-days', '30', '--accept-past-days', '28']).acceptPastMs, 28 * 86_400_000)
  assert.deepEqual(faultsOf(['--retention-days', '30', '--accept-past-days', '29']), [
    {
      path: '--accept-past-days',
      expected:
        'at most 28 days, 2 less than --retention-days 30, so that nothing is accepted for a time whose readings are gone',
      found: '29 days; give --accept-past-days 28, or a longer --retention-days'
    }
  ])
  assert.match(faultsOf(['--retention-days', '401'])[0]!.found, /^400 days/) // the default counts, too
  assert.match(faultsOf(['--retention-days', '2'])[0]!.expected, /3 to 36500/)
})

test('several processes need Redis, and share the limits of all', () => {
  assert.deepEqual(
    faultsOf(['--processes', '2']).map(({ path, found }) => [path, found]),
    [['--processes', '2 without it']]
  )
  const part = { number: 2, of: 2, mqttPorts: [1], httpPort: 2, databaseUrl: 'postgres://h/d' }
  const args = ['--processes=2', '--redis-url=redis://h', '--node-id=a', '--max-connections=9', '--mqtt-port=0']
  const config = parse(args, { CHARGELIFT_PROCESS_PART: JSON.stringify(part) })
  assert.deepEqual(
    [config.nodeId, config.connectionsMax, config.mqttPorts, config.httpPort, config.databaseUrl],
    ['a.2', 5, [1], 2, 'postgres://h/d']
  )
})
