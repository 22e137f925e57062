import assert from 'node:assert/strict'
import { it } from 'node:test'
import { readCommandLine } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { addressOptions, readAddress, type ServerAddress } from './flags.ts'

const nothing = { url: undefined, token: undefined }

function read(args: readonly string[], environment: Parameters<typeof readAddress>[2] = nothing) {
  const faults: ConfigFault[] = []
  const { values } = readCommandLine('top', args, addressOptions, faults)
  const address: ServerAddress = readAddress(values, faults, environment)
  return { address, paths: faults.map(({ path }) => path), text: JSON.stringify(faults) }
}

it('the flag wins over the environment, and that over loopback', () => {
  assert.equal(read([]).address.url.origin, 'http://127.0.0.1:8080')
  const environment = { url: 'https://a.example.com:8080', token: 'clft_x\n' }
  assert.equal(read([], environment).address.url.origin, 'https://a.example.com:8080')
  assert.equal(read([], environment).address.token, 'clft_x')
  assert.equal(read(['--url', 'https://b.example.com'], environment).address.url.origin, 'https://b.example.com')
})

it('no token leaves this machine in the clear, and all faults are told at once, without what may be secret', () => {
  assert.deepEqual(read(['--url', 'http://localhost:1']).paths, [])
  assert.deepEqual(read(['--url', 'http://a.example.com']).paths, ['--url'])
  const { paths, text } = read(['--url', 'https://user:s3cret@a', '--ca', '/nowhere/a', '--token-file', '/nowhere/b'])
  assert.deepEqual(paths.toSorted(), ['--ca', '--token-file', '--url'])
  assert.doesNotMatch(text, /s3cret/)
})
