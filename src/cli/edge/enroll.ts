// `chargelift edge enroll NAME`: makes the key of an edge where it will be used, and prints a request for its certificate.
// The key never leaves this machine. What is there already is kept: asked again, it prints a request for the same key.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import { parseKey } from '../../pki/authority/ca.ts'
import { makeRequest } from '../../pki/authority/csr.ts'
import { readIfThere, writeSecret } from '../../pki/files.ts'

export const help = `Usage: chargelift edge enroll NAME [--dir DIR]

Makes the private key of this edge, DIR/NAME.key, readable by its owner alone, and prints a certificate request on standard
output. Where the CA is kept, "chargelift certs sign FILE" makes the certificate of it, and "chargelift certs bundle NAME" the
archive to unpack here. The key stays on this machine. A key that is there is used, not replaced.

Options:
  --dir DIR   where the files of this edge are (.); of the Debian package: /etc/chargelift/edge/NAME
              run by root, what is made belongs to the owner of the folder that was there before
  --help      this text

Exit codes: 0 done, 78 the command line or the files have faults (all are printed).
`

/** Throws ConfigError with all faults. */
export async function run(
  args: readonly string[],
  print = (text: string): unknown => process.stdout.write(text),
  tell = (text: string): unknown => process.stderr.write(text)
): Promise<void> {
  const { name, dir } = readFlags(args)
  const path = join(dir, `${name}.key`)
  const key = (await presentKey(path)) ?? (await makeKey(dir, path))
  print(makeRequest(name, key))
  tell(`The key is ${path}. Where the CA is kept, with the lines above in a file: chargelift certs sign ${name}.csr\n`)
}

async function presentKey(path: string): Promise<KeyObject | undefined> {
  const pem = await readIfThere(path)
  if (pem === undefined) return undefined
  const key = parseKey(pem)
  if (key?.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw new ConfigError([
    { path, expected: 'no file, or a P-256 key in PEM', found: key?.asymmetricKeyType ?? 'another' }
  ])
}

async function makeKey(dir: string, path: string): Promise<KeyObject> {
  const { uid, gid } = statSync(nearestFolder(dir))
  const isNew = !existsSync(dir)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  try {
    if (isNew) mkdirSync(dir, { recursive: true, mode: 0o750 })
    await writeSecret(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    if (process.getuid?.() === 0) for (const made of isNew ? [dir, path] : [path]) chownSync(made, uid, gid)
  } catch (cause) {
    throw new ConfigError([{ path: dir, expected: 'a folder that can be written', found: (cause as Error).message }], {
      cause
    })
  }
  return privateKey
}

const nearestFolder = (dir: string): string => (existsSync(dir) ? dir : nearestFolder(dirname(resolve(dir))))

function readFlags(args: readonly string[]): { name: string; dir: string } {
  const { values, positionals } = parse(args)
  const [name = '', ...more] = positionals
  const faults: ConfigFault[] = []
  if (!isChargerName(name))
    faults.push({ path: 'NAME', expected: chargerNameRule, found: name === '' ? 'nothing' : JSON.stringify(name) })
  if (more.length > 0) faults.push({ path: 'arguments', expected: 'one NAME', found: more.join(' ') })
  if (values.dir === '') faults.push({ path: '--dir', expected: 'a folder', found: '""' })
  if (faults.length > 0) throw new ConfigError(faults)
  return { name, dir: values.dir ?? '.' }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { dir: { type: 'string' } }, allowPositionals: true })
  } catch (cause) {
    const found = (cause as Error).message
    throw new ConfigError([{ path: 'command line', expected: 'edge enroll NAME [--dir DIR]', found }], { cause })
  }
}
