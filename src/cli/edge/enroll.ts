// `chargelift edge enroll NAME`: makes the key of an edge on the machine that will use the key, and prints a
// certificate request. The key never leaves this machine. A second run keeps the key and prints a request for the same
// key.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readCommandLine, unexpectedWord } from '../../model/commandLine.ts'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isFileError, writeFault } from '../../model/fileFaults.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import { parseKey } from '../../pki/authority/ca.ts'
import { makeRequest } from '../../pki/authority/csr.ts'
import { readIfThere, writeSecret } from '../../pki/files.ts'

export const help = `Usage: chargelift edge enroll NAME [--dir DIR]

Makes the private key of this edge, DIR/NAME.key, readable by its owner alone, and prints a
certificate request on standard output. Where the CA is kept, "chargelift certs sign FILE" makes the
certificate from it, and "chargelift certs bundle NAME" the archive to unpack here. The key stays on
this machine. A key that is there is used, not replaced.

Options:
  --dir DIR   the folder of this edge's files (.); in the Debian package: /etc/chargelift/edge/NAME
              root gives the files to the owner of the nearest folder that existed before
  --help      this text

Exit codes: 0 done, 78 the command line or the files have faults (all are printed).

Example: chargelift edge enroll wallbox-1 > wallbox-1.csr
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
    if (!isFileError(cause)) throw cause
    throw new ConfigError([writeFault(path, cause)], { cause })
  }
  return privateKey
}

const nearestFolder = (dir: string): string => (existsSync(dir) ? dir : nearestFolder(dirname(resolve(dir))))

const specs = { dir: { type: 'string', expected: 'a folder' } } as const

function readFlags(args: readonly string[]): { name: string; dir: string } {
  const faults: ConfigFault[] = []
  const { values, words } = readCommandLine('edge enroll', args, specs, faults)
  const [name = '', ...more] = words
  if (!isChargerName(name))
    faults.push({ path: 'NAME', expected: chargerNameRule, found: name === '' ? 'nothing' : JSON.stringify(name) })
  if (more.length > 0) faults.push(unexpectedWord('edge enroll', more.join(' ')))
  if (values.dir === '') faults.push({ path: '--dir', expected: 'a folder', found: '""' })
  if (faults.length > 0) throw new ConfigError(faults)
  return { name, dir: values.dir ?? '.' }
}
