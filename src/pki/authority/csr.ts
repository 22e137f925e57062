// Certificate signing requests (PKCS #10, RFC 2986): made where the key is, read where the CA is. A request is trusted
// only for its key and its name, after its signature was checked; the CA decides role and chargers. Pure; reads and
// writes DER itself, so that an edge loads no library for it.

import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { ConfigFault } from '../../model/errors.ts'
import { chargerNameRule, isChargerName } from '../../model/wire/topics.ts'
import {
  childrenOf,
  type DerElement,
  DerError,
  expectTag,
  readDer,
  readOid,
  tagBitString,
  tagContext0,
  tagOid,
  tagSequence,
  writeDer,
  writeInteger,
  writeOid
} from '../der.ts'
import { quoted } from '../names.ts'
import { encodePem, pemBlocks } from '../pem.ts'

export interface SigningRequest {
  readonly name: string
  readonly publicKey: KeyObject
}

const label = 'CERTIFICATE REQUEST'
const labels = [label, 'NEW CERTIFICATE REQUEST']
const commonName = '2.5.4.3'
const ecdsaWithSha256 = '1.2.840.10045.4.3.2'
const curve = 'prime256v1'
const tagSet = 0x31
const tagUtf8String = 0x0c
const tagPrintableString = 0x13
const tagIa5String = 0x16

/** In PEM. `key`: a P-256 key; `name` has been checked. */
export function makeRequest(name: string, key: KeyObject): string {
  const attribute = writeDer(tagSequence, writeOid(commonName), writeDer(tagUtf8String, Buffer.from(name)))
  const subject = writeDer(tagSequence, writeDer(tagSet, attribute))
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const info = writeDer(tagSequence, writeInteger('0'), subject, publicKey, writeDer(tagContext0))
  const algorithm = writeDer(tagSequence, writeOid(ecdsaWithSha256))
  const signature = writeDer(tagBitString, Buffer.from([0]), sign('sha256', info, key))
  return encodePem(label, writeDer(tagSequence, info, algorithm, signature))
}

/** The request of a PEM text; `path` names it in faults, which go to `faults`, and then it is undefined. */
export function readRequest(pem: string, path: string, faults: ConfigFault[]): SigningRequest | undefined {
  const fault = (expected: string, found: string): undefined => {
    faults.push({ path, expected, found })
  }
  const blocks = pemBlocks(pem, ...labels)
  if (blocks.length !== 1)
    return fault('one certificate request in PEM (chargelift edge enroll prints one)', `${blocks.length}`)
  try {
    return judge(blocks[0]!, fault)
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause
    return fault('a certificate request in PEM', `something that is none: ${cause.message}`)
  }
}

function judge(bytes: Buffer, fault: (expected: string, found: string) => undefined): SigningRequest | undefined {
  const [info, algorithm, signature] = childrenOf(readDer(bytes))
  const [, subject, spki] = childrenOf(info)
  const publicKey = keyOf(spki)
  if (publicKey?.asymmetricKeyDetails?.namedCurve !== curve) {
    return fault('a P-256 key (openssl ecparam -name prime256v1 -genkey)', publicKey?.asymmetricKeyType ?? 'none')
  }
  const oid = readOid(expectTag(childrenOf(algorithm)[0], tagOid))
  if (oid !== ecdsaWithSha256) return fault('a signature by ECDSA with SHA-256', `algorithm ${oid}`)
  const [unusedBits, ...signed] = expectTag(signature, tagBitString).content
  if (unusedBits !== 0 || !verify('sha256', info!.bytes, publicKey, Buffer.from(signed))) {
    return fault('a request signed with its own key', 'another signature: it was changed, or cut, on its way')
  }
  const names = commonNamesOf(subject)
  if (names.length !== 1)
    return fault('one CN, the name of the device', names.length === 0 ? 'none' : names.map(quoted).join(', '))
  if (!isChargerName(names[0]!)) return fault(`a device name as CN: ${chargerNameRule}`, quoted(names[0]!))
  return { name: names[0]!, publicKey }
}

function keyOf(spki: DerElement | undefined): KeyObject | undefined {
  try {
    return createPublicKey({ key: expectTag(spki, tagSequence).bytes, format: 'der', type: 'spki' })
  } catch (cause) {
    if (cause instanceof DerError) throw cause
    return undefined
  }
}

function commonNamesOf(subject: DerElement | undefined): string[] {
  return childrenOf(subject)
    .flatMap(set => childrenOf(set, tagSet))
    .map(attribute => childrenOf(attribute))
    .filter(([type]) => readOid(expectTag(type, tagOid)) === commonName)
    .map(([, value]) => textOf(value))
}

function textOf(value: DerElement | undefined): string {
  if (![tagUtf8String, tagPrintableString, tagIa5String].includes(value?.tag ?? 0))
    throw new DerError('a text as CN expected')
  return value!.content.toString('utf8')
}
