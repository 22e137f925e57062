import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { parse, stringify } from 'yaml'
import { ConfigError, faultText } from '../model/errors.ts'
import { driverNames } from './chargers/registry.ts'
import { edgeSchema, loadEdgeConfig, parseEdgeConfig, redactUrl } from './config.ts'
import { daysFromNow, type Keyed, TestAuthority } from './testing/certificates.ts'
import { temporaryFolder } from './testing/folder.ts'

let authority: TestAuthority
let device: Keyed
before(async () => {
  authority = await TestAuthority.make()
  device = await authority.issue('wb-1')
})

const charger = { name: 'wb-1', driver: 'mennekes-amtron', url: 'http://10.0.0.9:25000', devKey: '0042' }
const whole = {
  broker: 'mqtts://example.org',
  tls: { ca: 'ca.pem', cert: 'wb.pem', key: 'wb.key' },
  chargers: [charger]
}

function folderWith(t: TestContext, keyed: Keyed = device): string {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'ca.pem'), authority.ca)
  writeFileSync(join(folder, 'wb.pem'), keyed.cert)
  writeFileSync(join(folder, 'wb.key'), keyed.key)
  return folder
}

const source = (config: unknown) => stringify(config, { defaultStringType: 'QUOTE_DOUBLE' })

function faultsOf(run: () => unknown): string[] {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.doesNotMatch(error.message, /0042/, 'the key is shown')
    return error.faults.map(faultText)
  }
  return []
}

test('the defaults, and paths relative to the file', t => {
  const folder = folderWith(t)
  const file = join(folder, 'edge.yaml')
  writeFileSync(file, source(whole))
  const config = loadEdgeConfig(file)
  assert.deepEqual(config.broker, { host: 'example.org', port: 8883 })
  assert.deepEqual(config.spool, { path: join(folder, 'spool.sqlite'), maxBytes: 512 * 1024 * 1024 })
  assert.equal(config.heartbeatMs, 900_000)
  assert.equal(config.identity, 'wb-1')
  assert.deepEqual(config.certifiedChargers, ['wb-1'])
  assert.deepEqual(config.tls, { ca: authority.ca, cert: device.cert, key: device.key })
  assert.deepEqual(config.warnings, [])
  const [{ pollIntervalMs, phases, devKey }] = config.chargers as [(typeof config.chargers)[0]]
  assert.deepEqual([pollIntervalMs, phases, devKey?.reveal()], [undefined, undefined, '0042'])
})

test('a devKey shows itself nowhere by accident', t => {
  const config = parseEdgeConfig(source(whole), folderWith(t))
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 9 }), `${config.chargers[0]!.devKey}`]) {
    assert.doesNotMatch(shown, /0042/)
  }
})

describe('a value that is wrong is named with its path, what was expected and what was found', () => {
  const table: [name: string, change: object, faults: RegExp[]][] = [
    ['no broker', { broker: undefined }, [/^broker: expected mqtts:\/\/HOST.*, found nothing$/]],
    ['a broker without TLS', { broker: 'mqtt://example.org' }, [/^broker: .*found "mqtt:\/\/example.org"$/]],
    ['a broker with a password', { broker: 'mqtts://a:0042@example.org' }, [/^broker: .*not shown/]],
    ['a broker with a path', { broker: 'mqtts://example.org/x' }, [/^broker: /]],
    [
      'an unknown key',
      { brokr: 1 },
      [/^brokr: expected one of broker, tls, spool, heartbeatMs, statusFile, chargers, found an unknown key$/]
    ],
    [
      'an unknown key of a charger',
      { chargers: [{ ...charger, devkey: 'x' }] },
      [/^chargers\[0\]\.devkey: expected one of name, /]
    ],
    ['no chargers', { chargers: [] }, [/^chargers: expected at least one charger, found an empty list$/]],
    ['chargers that are no list', { chargers: { a: 1 } }, [/^chargers: expected a list of chargers, found a mapping$/]],
    ['a charger that is a text', { chargers: ['wb'] }, [/^chargers\[0\]: expected a charger with /]],
    ['a name with a slash', { chargers: [{ ...charger, name: 'a/b' }] }, [/^chargers\[0\]\.name: .*found "a\/b"$/]],
    [
      'a name that the certificate does not allow',
      { chargers: [{ ...charger, name: 'wb-2' }] },
      [/^chargers\[0\]\.name: expected one that the certificate allows \(wb-1\), found "wb-2"$/]
    ],
    [
      'a name twice',
      { chargers: [charger, charger] },
      [/^chargers\[1\]\.name: expected a name that no other charger has/]
    ],
    [
      'an unknown driver',
      { chargers: [{ ...charger, driver: 'x' }] },
      [new RegExp(`^chargers\\[0\\]\\.driver: expected one of ${driverNames.join(', ')}, found "x"$`)]
    ],
    [
      'a URL with a query',
      { chargers: [{ ...charger, url: 'http://h/?DevKey=0042' }] },
      [/^chargers\[0\]\.url: .*found "http:\/\/h\/\?\(not shown\)"$/]
    ],
    ['a URL with a password', { chargers: [{ ...charger, url: 'http://u:0042@h' }] }, [/^chargers\[0\]\.url: /]],
    ['a URL of another kind', { chargers: [{ ...charger, url: 'ftp://h' }] }, [/^chargers\[0\]\.url: /]],
    [
      'a devKey that is a number',
      { chargers: [{ ...charger, devKey: 42 }] },
      [/^chargers\[0\]\.devKey: expected a text in quotes.*found a number \(not shown\)$/]
    ],
    [
      'no devKey, where the driver needs one',
      { chargers: [{ ...charger, devKey: undefined }] },
      [/^chargers\[0\]\.devKey: expected PIN 1 of the set-up sheet, a text in quotes.*found nothing$/]
    ],
    ['an empty devKey', { chargers: [{ ...charger, devKey: '' }] }, [/^chargers\[0\]\.devKey: .*found an empty text$/]],
    [
      'an interval below 100 ms',
      { chargers: [{ ...charger, pollIntervalMs: 99 }] },
      [/^chargers\[0\]\.pollIntervalMs: .*from 100 .*found 99$/]
    ],
    [
      'an interval that is a text',
      { chargers: [{ ...charger, pollIntervalMs: '1000' }] },
      [/^chargers\[0\]\.pollIntervalMs: .*found "1000"$/]
    ],
    [
      'four phases',
      { chargers: [{ ...charger, phases: 4 }] },
      [/^chargers\[0\]\.phases: expected 1, 2 or 3, found 4$/]
    ],
    ['a tiny spool', { spool: { maxBytes: 10 } }, [/^spool\.maxBytes: .*found 10$/]],
    ['tls without key', { tls: { ca: 'ca.pem', cert: 'wb.pem' } }, [/^tls\.key: expected the path .*found nothing$/]],
    ['a missing file', { tls: { ...whole.tls, ca: 'none.pem' } }, [/none\.pem: no such file \(tls\.ca\)$/]],
    [
      'a certificate that is none',
      { tls: { ...whole.tls, cert: 'wb.key' } },
      [/^tls\.cert: expected a certificate in PEM/]
    ],
    [
      'a key that is none',
      { tls: { ...whole.tls, key: 'wb.pem' } },
      [/^tls\.key: expected an unencrypted private key in PEM/]
    ]
  ]
  for (const [name, change, expected] of table) {
    test(name, t => {
      const faults = faultsOf(() => parseEdgeConfig(source({ ...whole, ...change }), folderWith(t)))
      assert.equal(faults.length, expected.length, faults.join('\n'))
      for (const [i, pattern] of expected.entries()) assert.match(faults[i]!, pattern)
    })
  }
})

test('all faults at once, those of the certificate among them', t => {
  const config = {
    broker: 'x',
    tls: { ...whole.tls, ca: 'none.pem' },
    chargers: [{ ...charger, url: 'x', phases: 9 }],
    y: 1
  }
  const faults = faultsOf(() => parseEdgeConfig(source(config), folderWith(t)))
  const paths = faults.map(fault => /: no such file \((.*)\)$/.exec(fault)?.[1] ?? fault.slice(0, fault.indexOf(':')))
  assert.deepEqual(paths.sort(), ['broker', 'chargers[0].phases', 'chargers[0].url', 'tls.ca', 'y'])
})

test('a driver without a key needs none', t => {
  const { devKey: _, ...rest } = charger
  const text = source({ ...whole, chargers: [{ ...rest, driver: 'mennekes-ecu' }] })
  assert.equal(parseEdgeConfig(text, folderWith(t)).chargers[0]?.devKey, undefined)
})

test('a devKey without quotes is told to be quoted', t => {
  const text = source(whole).replace('"0042"', '0042')
  assert.match(faultsOf(() => parseEdgeConfig(text, folderWith(t))).join(), /devKey: expected a text in quotes/)
})

describe('files that are no configuration', () => {
  const table: [name: string, text: string, fault: RegExp][] = [
    ['empty', '', /^file: expected a mapping with broker, tls and chargers, found nothing$/],
    ['a list', '- a', /^file: expected a mapping/],
    ['no YAML', 'a: [1\nb: "0042', /^line \d+, column \d+: expected YAML/],
    ['a key twice', 'broker: a\nbroker: b', /^line 2, column 1: expected YAML, found duplicate key$/]
  ]
  for (const [name, text, fault] of table) {
    test(name, t => assert.match(faultsOf(() => parseEdgeConfig(text, folderWith(t)))[0]!, fault))
  }

  test('a file that is not there', t => {
    const file = join(temporaryFolder(t), 'none.yaml')
    assert.deepEqual(
      faultsOf(() => loadEdgeConfig(file)),
      [`${file}: no such file`]
    )
  })
})

describe('the certificate', () => {
  const faultsWith = async (t: TestContext, keyed: Keyed, config: object = whole) =>
    faultsOf(() => parseEdgeConfig(source(config), folderWith(t, keyed)))

  test('expired', async t => {
    const keyed = await authority.issue('wb-1', { notBefore: daysFromNow(-3), notAfter: daysFromNow(-1) })
    assert.match(
      (await faultsWith(t, keyed)).join(),
      /^tls\.cert: expected a certificate that has not expired, found one that ended /
    )
  })

  test('not valid yet is a warning: the clock of a Pi may be behind', async t => {
    const keyed = await authority.issue('wb-1', { notBefore: daysFromNow(1) })
    const { warnings } = parseEdgeConfig(source(whole), folderWith(t, keyed))
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['tls.cert']
    )
  })

  test('with the key of another one', async t => {
    const { key } = await authority.issue('wb-1')
    assert.deepEqual(await faultsWith(t, { ...device, key }), [
      'tls.key: expected the private key of tls.cert, found the key of another certificate'
    ])
  })

  for (const [name, subject] of [
    ['without a CN', 'O=x'],
    ['with two', 'CN=a+CN=b'],
    ['with a name of other characters', 'CN=a/b']
  ] as const) {
    test(name, async t => {
      const faults = await faultsWith(t, await authority.issue('x', { subject }))
      assert.match(faults.join(), /^tls\.cert: expected exactly one CN of /)
    })
  }

  test('with a list of chargers allows those and no others, its CN included', async t => {
    const uris = ['urn:chargelift:charger:a', 'urn:other:x', 'urn:chargelift:charger:b.1']
    const keyed = await authority.issue('site', { uris, dns: ['site.example.org'] })
    const named = (...names: string[]) => ({ ...whole, chargers: names.map(name => ({ ...charger, name })) })
    const config = parseEdgeConfig(source(named('a', 'b.1')), folderWith(t, keyed))
    assert.deepEqual([config.identity, config.certifiedChargers], ['site', ['a', 'b.1']])
    assert.match(
      (await faultsWith(t, keyed, named('a', 'site'))).join(),
      /^chargers\[1\]\.name: .*\(a, b\.1\), found "site"/
    )
  })

  test('with a charger in its list that is no name', async t => {
    const keyed = await authority.issue('site', { uris: ['urn:chargelift:charger:a,b'] })
    assert.match((await faultsWith(t, keyed)).join(), /^tls\.cert: expected urn:chargelift:charger:NAME/)
  })
})

test('a short interval is accepted with a warning', t => {
  const config = { ...whole, chargers: [{ ...charger, pollIntervalMs: 100 }] }
  const { warnings, chargers } = parseEdgeConfig(source(config), folderWith(t))
  assert.equal(chargers[0]?.pollIntervalMs, 100)
  assert.deepEqual(
    warnings.map(({ path, found }) => [path, found]),
    [['chargers[0].pollIntervalMs', '100']]
  )
})

describe('host and port of the broker', () => {
  const table: [url: string, host: string, port: number][] = [
    ['mqtts://example.org', 'example.org', 8883],
    ['mqtts://example.org:443', 'example.org', 443],
    ['mqtts://example.org:8884/', 'example.org', 8884],
    ['mqtts://10.0.0.1:1', '10.0.0.1', 1],
    ['mqtts://[::1]:8883', '::1', 8883]
  ]
  for (const [broker, host, port] of table) {
    test(broker, t => {
      assert.deepEqual(parseEdgeConfig(source({ ...whole, broker }), folderWith(t)).broker, { host, port })
    })
  }
})

test('redaction takes user, password and query out of a URL', () => {
  assert.equal(redactUrl('http://u:p@h:1/x?DevKey=1#y'), 'http://(not shown)@h:1/x?(not shown)')
  assert.equal(redactUrl('http://h:1/x'), 'http://h:1/x')
})

test('the example names every key there is, and is valid', t => {
  const text = readFileSync(new URL('../../edge.example.yaml', import.meta.url), 'utf8')
  // The example contains settings that are off by default as comments.
  const example = parse(text.replace(/^# (?=\w+: \S+$)/gm, ''))
  assert.deepEqual(Object.keys(example).sort(), Object.keys(edgeSchema.shape).sort())
  assert.deepEqual(Object.keys(example.tls), Object.keys(edgeSchema.shape.tls.shape))
  assert.deepEqual(Object.keys(example.spool), Object.keys(edgeSchema.shape.spool.unwrap().shape))
  assert.deepEqual(Object.keys(example.chargers[0]), Object.keys(edgeSchema.shape.chargers.element.shape))
  example.tls = whole.tls
  example.chargers[0].name = 'wb-1'
  assert.deepEqual(
    faultsOf(() => parseEdgeConfig(source(example), folderWith(t))),
    []
  )
})
