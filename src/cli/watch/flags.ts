// Reads the flags that `top` and `tail` share: the server's address, the token, and the authority of the server's
// certificate.

import { readFileSync } from 'node:fs'
import type { FlagSpecs } from '../../model/commandLine.ts'
import type { ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'
import { isLoopbackHost } from '../../server/access/loopback.ts'
import { watchEnvironment } from './config.ts'

export interface ServerAddress {
  readonly url: URL
  readonly token: string | undefined
  /** The authority in PEM. Undefined: the authorities of this machine apply. */
  readonly ca: string | undefined
}

const urlDefault = 'http://127.0.0.1:8080'

export const addressOptions = {
  url: { type: 'string', expected: 'https://host:port' },
  'token-file': { type: 'string', expected: 'a file' },
  ca: { type: 'string', expected: 'a file' }
} as const satisfies FlagSpecs

export const addressHelp = `  --url URL            HTTP port of the server (CHARGELIFT_URL, else ${urlDefault})
  --token-file FILE    a file with a token of "chargelift tokens add" (else the variable
                       CHARGELIFT_TOKEN)
  --ca FILE            the authority of the server's certificate, PEM (those of this machine)`

interface AddressValues {
  readonly url?: string | undefined
  readonly 'token-file'?: string | undefined
  readonly ca?: string | undefined
}

/** Reads the address. Adds faults to `faults`. With a fault the result must not be used. */
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
    const expected = 'https:// except on loopback, because tokens and card ids must not cross a network unencrypted'
    faults.push({ path: '--url', expected, found: url.origin })
  }
  return { url: url ?? new URL(urlDefault), token: token?.trim(), ca }
}

function readText(path: string, file: string, faults: ConfigFault[]): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    faults.push(readFault(file, error, path))
    return undefined
  }
}
