// Reads the certificate and the key of a port, and reports all faults at once.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigError, type ConfigFault } from '../../model/errors.ts'
import { readFault } from '../../model/fileFaults.ts'

export interface KeyPair {
  readonly cert: Buffer
  readonly key: Buffer
  /** When the certificate ends. */
  readonly validToMs: number
}

interface Place {
  readonly flag: string
  readonly path: string
}

/** Reads one file after the other. A file that cannot be used is a fault, and undefined. */
export class Reading {
  readonly faults: ConfigFault[] = []
  readonly #hint: string

  /** `hint`: a sentence that says where a missing file comes from. */
  constructor(hint = '') {
    this.#hint = hint
  }

  attempt<T>(flag: string, expected: string, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (error instanceof ConfigError) this.faults.push(...error.faults)
      else this.faults.push({ path: flag, expected, found: (error as Error).message })
      return undefined
    }
  }

  file({ flag, path }: Place): Buffer | undefined {
    try {
      return readFileSync(path)
    } catch (cause) {
      const fault = readFault(path, cause, flag)
      const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT' && this.#hint !== ''
      this.faults.push(isMissing ? { ...fault, sentence: `${fault.sentence}. ${this.#hint}` } : fault)
      return undefined
    }
  }

  /** A key that matches, and a certificate that is valid now. */
  keyPair(certAt: Place, keyAt: Place, nowMs: number): KeyPair | undefined {
    const [cert, key] = [this.file(certAt), this.file(keyAt)]
    const certificate = cert && this.attempt(certAt.flag, 'a certificate in PEM', () => new X509Certificate(cert))
    const privateKey = key && this.attempt(keyAt.flag, 'a private key in PEM', () => createPrivateKey(key))
    if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
      const expected = `the key of ${certAt.path}`
      this.faults.push({ path: keyAt.flag, expected, found: 'the key of another certificate' })
    }
    if (certificate) this.faults.push(...datesFaults(certificate, certAt.flag, nowMs))
    return certificate && privateKey && { cert: cert!, key: key!, validToMs: certificate.validToDate.getTime() }
  }

  /** Throws ConfigError with all faults so far, and with what OpenSSL refuses. */
  end(flag: string, { ca, cert, key }: { ca?: Buffer; cert?: Buffer; key?: Buffer }): void {
    if (this.faults.length === 0) {
      this.attempt(flag, 'files that OpenSSL takes', () =>
        createSecureContext({ cert: cert!, key: key!, ...(ca && { ca }) })
      )
    }
    if (this.faults.length > 0) throw new ConfigError(this.faults)
  }
}

function datesFaults(
  { validFrom, validTo, validFromDate, validToDate }: X509Certificate,
  path: string,
  nowMs: number
): ConfigFault[] {
  const fault = (found: string): ConfigFault[] => [{ path, expected: 'a certificate valid now', found }]
  if (validToDate.getTime() < nowMs) return fault(`one that expired on ${validTo}`)
  return validFromDate.getTime() > nowMs ? fault(`one that is valid from ${validFrom}`) : []
}
