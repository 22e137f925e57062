import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FlagSpecs, readCommandLine, unexpectedWord, unknownCommand } from './commandLine.ts'
import { type ConfigFault, faultText } from './errors.ts'

const flags = {
  since: { type: 'string' },
  dir: { type: 'string', isFilled: true },
  charger: { type: 'string', multiple: true, expected: 'a name' },
  strict: { type: 'string', alone: 'true' },
  json: { type: 'boolean' }
} as const satisfies FlagSpecs

function read(...args: string[]) {
  const faults: ConfigFault[] = []
  return { ...readCommandLine('x list', args, flags, faults), texts: faults.map(faultText), faults }
}

test('flags take the next argument or what follows "=", in any order with the words', () => {
  assert.deepEqual(
    read(
      'a',
      '--since',
      '1',
      '--json',
      '--charger=b',
      '--charger',
      'c=d',
      '--strict',
      '-',
      '--since=2',
      '--',
      '--json'
    ),
    {
      values: { since: '2', json: true, charger: ['b', 'c=d'], strict: 'true' },
      words: ['a', '-', '--json'],
      texts: [],
      faults: []
    }
  )
  assert.deepEqual(read('--since', '-3600').values, { since: '-3600' })
  assert.deepEqual(read('--since=--x', '--strict=false').values, { since: '--x', strict: 'false' })
  assert.deepEqual(read('--since', '').values, { since: '' })
})

test('an unknown flag is told with the flag that was meant, or with the help', () => {
  assert.deepEqual(read('--sinec', '1').texts, ['Unknown flag --sinec. Did you mean --since?'])
  assert.deepEqual(read('--fly').texts, ['Unknown flag --fly. "chargelift x list --help" lists the flags.'])
  assert.deepEqual(read('-x').texts, ['Unknown flag -x. "chargelift x list --help" lists the flags.'])
  assert.deepEqual(read('-json').texts, ['Unknown flag -json. Did you mean --json?'])
  assert.deepEqual(read('--__proto__').texts, ['Unknown flag --__proto__. "chargelift x list --help" lists the flags.'])
})

test('a mistyped flag is read as the one that was meant: its value is no lost word', () => {
  const { values, words, texts } = read('--sinec', '1', '--jso', 'a')
  assert.deepEqual([values, words], [{ since: '1', json: true }, ['a']])
  assert.equal(texts.length, 2)
  assert.equal(read('--sinec').texts.length, 1, 'one slip is one fault')
})

test('what stands behind the name of an unknown flag is not shown', () => {
  assert.doesNotMatch(read('--password=s3cret', '-u:s3cret').texts.join(), /s3cret/)
})

test('a flag without its value is told, and takes no other flag for it', () => {
  const { values, texts, faults } = read('--since', '--json', '--dir=', '--charger')
  assert.deepEqual(texts, [
    '--since needs a value, found the flag --json. A value that begins with a dash is written --since=VALUE.',
    '--dir needs a value, found nothing. "chargelift x list --help" says which.',
    '--charger needs a value (a name), found nothing.'
  ])
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['--since', '--dir', '--charger']
  )
  assert.deepEqual(values, { json: true })
})

test('a value that a flag does not take is told', () => {
  assert.deepEqual(read('--json=yes').texts, ['--json takes no value, found "yes". Write --json alone.'])
})

test('an unknown command is told with the one that was meant, or with all there are', () => {
  const text = (noun: string, found: string): string =>
    faultText(unknownCommand(noun, ['add', 'list', 'revoke'], found))
  assert.equal(text('tokens', 'lsit'), 'Unknown command tokens lsit. Did you mean tokens list?')
  assert.equal(text('tokens', 'fly'), 'Unknown command tokens fly. Expected add, list or revoke.')
  assert.equal(text('', 'lsit'), 'Unknown command lsit. Did you mean list?')
  assert.equal(
    text('tokens', ''),
    'tokens needs a command: add, list or revoke. "chargelift tokens --help" explains them.'
  )
})

test('a word too many is told', () => {
  assert.equal(
    faultText(unexpectedWord('db status', 'more')),
    'Unexpected argument more. "chargelift db status --help" shows the usage.'
  )
})
