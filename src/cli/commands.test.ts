import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ConfigError } from '../model/errors.ts'
import { parseServerConfig } from '../server/config.ts'
import { commandOf, usage } from './commands.ts'

const folder = mkdtempSync(join(tmpdir(), 'chargelift-commands-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, name)

/** Commands and their subcommands. */
const tree: Readonly<Record<string, readonly string[]>> = {
  server: [],
  edge: ['enroll', 'probe', 'replay'],
  certs: ['init', 'issue', 'sign', 'bundle', 'renew', 'revoke', 'list'],
  rejected: ['list', 'replay'],
  tokens: ['add', 'list', 'revoke'],
  db: ['status', 'migrate'],
  import: ['sites', 'chargers', 'tariffs', 'cards'],
  month: ['close', 'list', 'show'],
  top: [],
  tail: [],
  export: ['sessions', 'readings', 'energy', 'month'],
  demo: ['charger']
}
const paths = Object.entries(tree).flatMap(([name, subs]) => [[name], ...subs.map(sub => [name, sub])])

const helpOf = async ([name, ...rest]: readonly string[]): Promise<string> =>
  (await commandOf(name!)).help([...rest, '--help'])

/**
 * Runs a command. The server command would start its process again before it reads its flags, so the test reads the
 * server's flags directly.
 */
const run = async ([name, ...args]: readonly string[]): Promise<unknown> =>
  name === 'server' ? parseServerConfig(args, {}) : (await commandOf(name!)).run(args)

/** The lines that the command line would print to standard error. */
async function faultsOf(...line: readonly string[]): Promise<string[]> {
  const error = await run(line).then(
    () => assert.fail(`accepted: ${line.join(' ')}`),
    (error: unknown) => error
  )
  assert.ok(error instanceof ConfigError, String(error))
  return error.message.split('\n')
}

test('the usage names every command, and there is no other', () => {
  const listed = [...usage().matchAll(/^ {2}(\w+)/gm)].map(match => match[1])
  assert.deepEqual(listed, Object.keys(tree))
})

describe('help', () => {
  for (const path of paths) {
    const command = path.join(' ')
    test(`${command} --help is its own, with an example, in at most 100 columns`, async () => {
      const text = await helpOf(path)
      const start = command === 'demo' ? 'npm start' : `chargelift ${command}`
      assert.ok(text.startsWith(`Usage: ${start}`), text.slice(0, 80))
      assert.match(text, new RegExp(`^Example: chargelift ${command}\\b`, 'm'))
      assert.deepEqual(
        text.split('\n').filter(line => line.length > 100),
        []
      )
    })
  }

  test('the help of each subcommand is another one than that of its command', async () => {
    const texts = await Promise.all(paths.map(helpOf))
    assert.equal(new Set(texts).size, paths.length)
  })

  test('the help is found behind flags and words, too', async () => {
    const { help } = await commandOf('tokens')
    assert.equal(await help(['--json', 'list', '-h']), await helpOf(['tokens', 'list']))
    assert.equal(await help(['add', 'list', '--help']), await helpOf(['tokens', 'add']))
  })

  test('every flag that a help names is known', async () => {
    const isLeaf = ([name, sub]: readonly string[]): boolean => sub !== undefined || tree[name!]!.length === 0
    for (const path of paths.filter(path => isLeaf(path) && path[0] !== 'server')) {
      const text = await helpOf(path)
      const flags = [...text.matchAll(/^ {2}--([a-z-]+)/gm)].map(match => match[1]!).filter(flag => flag !== 'help')
      assert.ok(flags.length > 0)
      const faults = await faultsOf(...path, '--nonsense', ...flags.map(flag => `--${flag}`))
      assert.deepEqual(
        faults.filter(fault => fault.startsWith('Unknown flag')),
        [`Unknown flag --nonsense. "chargelift ${path.join(' ')} --help" lists the flags.`],
        path.join(' ')
      )
    }
  })
})

describe('typing errors', () => {
  /** Each entry has a command line with a typing error, and the text that must appear. */
  const table: readonly (readonly [string, string])[] = [
    ['server --mqtt-prot 1', 'Unknown flag --mqtt-prot. Did you mean --mqtt-port?'],
    ['server --data_dir x', 'Unknown flag --data_dir. Did you mean --data-dir?'],
    ['demo --flete 3', 'Unknown flag --flete. Did you mean --fleet?'],
    ['demo --http-prot 3', 'Unknown flag --http-prot. Did you mean --http-port?'],
    ['demo charger --prot 3', 'Unknown flag --prot. Did you mean --port?'],
    ['edge --confg edge.yaml', 'Unknown flag --confg. Did you mean --config?'],
    ['edge enroll a --dri x', 'Unknown flag --dri. Did you mean --dir?'],
    ['edge probe host --kye 1', 'Unknown flag --kye. Did you mean --key?'],
    ['edge replay --sicne 2026-01-01', 'Unknown flag --sicne. Did you mean --since?'],
    ['certs init --hots x', 'Unknown flag --hots. Did you mean --host?'],
    ['certs list --drr x', 'Unknown flag --drr. Did you mean --dir?'],
    ['rejected list --chargr x', 'Unknown flag --chargr. Did you mean --charger?'],
    ['tokens list --jsn', 'Unknown flag --jsn. Did you mean --json?'],
    ['db status --jsno', 'Unknown flag --jsno. Did you mean --json?'],
    ['import sites x.csv --aply', 'Unknown flag --aply. Did you mean --apply?'],
    ['month list --josn', 'Unknown flag --josn. Did you mean --json?'],
    ['top --intervall 3', 'Unknown flag --intervall. Did you mean --interval?'],
    ['tail --jason', 'Unknown flag --jason. Did you mean --json?'],
    ['export sessions --from 2026-01-01 --formt csv', 'Unknown flag --formt. Did you mean --format?'],
    ['sever', 'Unknown command sever. Did you mean server?'],
    ['--verison', 'Unknown flag --verison. Did you mean --version?'],
    ['edge enrol a', 'Unknown command edge enrol. Did you mean edge enroll?'],
    ['certs isue a', 'Unknown command certs isue. Did you mean certs issue?'],
    ['rejected lits', 'Unknown command rejected lits. Did you mean rejected list?'],
    ['tokens ad x', 'Unknown command tokens ad. Did you mean tokens add?'],
    ['db migrat', 'Unknown command db migrat. Did you mean db migrate?'],
    ['import cars x.csv', 'Unknown command import cars. Did you mean import cards?'],
    ['month clsoe 2026-10', 'Unknown command month clsoe. Did you mean month close?'],
    ['export session --from 2026-01-01', 'Unknown command export session. Did you mean export sessions?'],
    ['demo chargr', 'Unknown command demo chargr. Did you mean demo charger?'],
    ['demo fly', 'Unknown command demo fly. Expected charger.'],
    ['server now', 'Unexpected argument "now". "chargelift server --help" shows the usage.'],
    ['top now', 'Unexpected argument now. "chargelift top --help" shows the usage.'],
    ['tail a b', 'Unexpected argument b. "chargelift tail --help" shows the usage.'],
    ['tokens list a', 'Unexpected argument a. "chargelift tokens list --help" shows the usage.'],
    ['certs init a', 'Unexpected argument a. "chargelift certs init --help" shows the usage.'],
    ['tokens list --role viewer', '--role belongs to "tokens add", not to "tokens list".'],
    ['month list --site x', '--site belongs to "month close" or "month show", not to "month list".'],
    ['server --mqtt-port', '--mqtt-port needs a value (a port, 0 to 65535), found nothing.'],
    ['edge --config', '--config needs a value (the path of a YAML file), found nothing.'],
    ['tail --ca', '--ca needs a value (a file), found nothing.'],
    ['tail --json=1', '--json takes no value, found "1". Write --json alone.'],
    [
      'top --url --once',
      '--url needs a value (https://host:port), found the flag --once. A value that begins with a dash is written --url=VALUE.'
    ]
  ]
  for (const [line, fault] of table) {
    test(`${line}: ${fault}`, async () => assert.deepEqual(await faultsOf(...line.split(' ')), [fault]))
  }

  test('a command that is not named is asked for', async () => {
    for (const name of ['certs', 'rejected', 'tokens', 'db', 'import', 'month']) {
      const [fault] = await faultsOf(name)
      assert.match(fault!, new RegExp(`^${name} needs a command: .* or \\w+\\. "chargelift ${name} --help" explains`))
    }
  })

  test('all faults of a line are told at once', async () => {
    assert.deepEqual(await faultsOf('top', '--oncee', '--interval', '0', '--url', '--fly', 'now'), [
      'Unknown flag --oncee. Did you mean --once?',
      '--url needs a value (https://host:port), found the flag --fly. A value that begins with a dash is written --url=VALUE.',
      'Unknown flag --fly. "chargelift top --help" lists the flags.',
      '--interval: expected a whole number, 1 to 3600, found "0"',
      'Unexpected argument now. "chargelift top --help" shows the usage.'
    ])
  })
})

describe('files', () => {
  delete process.env.DATABASE_URL
  const isRoot = process.getuid?.() === 0
  mkdirSync(at('folder'))
  writeFileSync(at('locked'), '')
  chmodSync(at('locked'), 0o000)
  writeFileSync(at('latin1.csv'), Buffer.from([0x6e, 0xe4]))

  /** Commands that read a file, and the flag that names it in the fault. */
  const readers: readonly (readonly [(file: string) => readonly string[], string | undefined])[] = [
    [file => ['import', 'sites', file], undefined],
    [file => ['import', 'cards', file], undefined],
    [file => ['certs', 'issue', '--csv', file, '--dir', at('folder')], '--csv'],
    [file => ['certs', 'sign', file, '--dir', at('folder')], undefined],
    [file => ['edge', 'replay', '--since', '2026-01-01', '--config', file], undefined],
    [file => ['tail', '--token-file', file], '--token-file'],
    [file => ['top', '--once', '--ca', file], '--ca']
  ]
  for (const [argsOf, flag] of readers) {
    const name = argsOf('FILE').slice(0, 3).join(' ')
    test(`${name}: a file that cannot be read is named first, with the reason`, async () => {
      const end = flag === undefined ? '' : ` (${flag})`
      const told = async (file: string): Promise<string | undefined> =>
        (await faultsOf(...argsOf(file))).find(fault => fault.startsWith(file))
      assert.equal(await told(at('none')), `${at('none')}: no such file${end}`)
      assert.equal(await told(at('folder')), `${at('folder')}: a folder, not a file${end}`)
      if (!isRoot) assert.equal(await told(at('locked')), `${at('locked')}: no permission to read it${end}`)
    })
  }

  test('a CSV file that is not in UTF-8 says how to save it', async () => {
    assert.deepEqual(await faultsOf('import', 'sites', at('latin1.csv')), [
      `${at('latin1.csv')}: not in UTF-8; save it as "CSV UTF-8"`
    ])
  })

  test('a key of an edge that cannot be written is named first', async () => {
    assert.deepEqual(await faultsOf('edge', 'enroll', 'wb', '--dir', at('latin1.csv')), [
      `${join(at('latin1.csv'), 'wb.key')}: a part of this path is a file, not a folder`
    ])
  })

  test('without a database both ways to name one are told', async () => {
    const file = join(at('folder'), 'database.url')
    assert.equal(existsSync(file), false)
    assert.deepEqual(await faultsOf('db', 'status', '--data-dir', at('folder')), [
      `No database: --database-url is not given, and ${file} does not exist.`
    ])
  })
})
