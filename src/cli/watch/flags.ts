// The flags that `top` and `tail` share: where the server is, who asks, and whose certificate it must have.

import { readFileSync } from 'node:fs'
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { isLoopbackHost } from '../../server/access/loopback.ts'
import { watchEnvironment } from './config.ts'

export interface ServerAddress {
  readonly url: URL
  readonly token: string | undefined
  /** PEM; undefined = the authorities of this machine. */
  readonly ca: string | undefined
}

const urlDefault = 'http://127.0.0.1:8080'

const addressOptions = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  ca: { type: 'string' }
} as const satisfies ParseArgsOptionsConfig

export const addressHelp = `  --url URL            HTTP port of the server (CHARGELIFT_URL, else ${urlDefault})
  --token-file FILE    holds a token of "chargelift tokens add" (else the variable CHARGELIFT_TOKEN)
  --ca FILE            PEM of the authority of the server's certificate (the authorities of this machine)`

/** What parseArgs finds. Throws ConfigError where there is a flag that is none. */
export function parseWatchArgs<Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...addressOptions, ...options } })
  } catch (cause) {
    throw new ConfigError([{ path: 'flags', expected: 'flags of --help', found: (cause as Error).message }], { cause })
  }
}

interface AddressValues {
  readonly url?: string | undefined
  readonly 'token-file'?: string | undefined
  readonly ca?: string | undefined
}

/** Adds its faults; what it returns is good for nothing when there are any. */
export function readAddress(
  values: AddressValues,
  faults: ConfigFault[],
  environment = watchEnvironment()
): ServerAddress {
  const token =
    values['token-file'] === undefined ? environment.token : readText('--token-file', values['token-file'], faults)
  const ca = values.ca === undefined ? undefined : readText('--ca', values.ca, faults)
  const given = values.url ?? environment.url ?? urlDefault
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    faults.push({ path: '--url', expected: 'https://host:port', found: 'something else' })
  } else if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    const expected = 'https:// elsewhere than on loopback: a token and card ids would go over the wire in the clear'
    faults.push({ path: '--url', expected, found: url.origin })
  }
  return { url: url ?? new URL(urlDefault), token: token?.trim(), ca }
}

function readText(path: string, file: string, faults: ConfigFault[]): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    faults.push({ path, expected: 'a file that can be read', found: (error as Error).message })
    return undefined
  }
}
