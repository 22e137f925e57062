// DER, the encoding of certificates and CRLs: just enough to take one apart, and to write a list.
// Every length is checked against what is there, so garbage ends in a DerError and never in a wrong reading.
// Reading never copies: elements are views of the input.

/** The bytes are not the DER that was expected. */
export class DerError extends Error {}

export const tagInteger = 0x02
export const tagBoolean = 0x01
export const tagBitString = 0x03
export const tagOctetString = 0x04
export const tagOid = 0x06
const tagUtcTime = 0x17
const tagGeneralizedTime = 0x18
export const tagSequence = 0x30
/** `[0]`, explicit. */
export const tagContext0 = 0xa0

export interface DerElement {
  readonly tag: number
  /** Tag, length and content, as signed and compared. */
  readonly bytes: Buffer
  readonly content: Buffer
}

/** The one element that `bytes` consist of. */
export function readDer(bytes: Buffer): DerElement {
  const element = elementAt(bytes, 0)
  if (element.bytes.length !== bytes.length) throw new DerError('bytes after the end')
  return element
}

/** The elements one after the other in the content of `parent`, which must have the tag. */
export function childrenOf(parent: DerElement | undefined, tag: number = tagSequence): DerElement[] {
  const { content } = expectTag(parent, tag)
  const children: DerElement[] = []
  for (let at = 0; at < content.length; ) {
    const child = elementAt(content, at)
    children.push(child)
    at += child.bytes.length
  }
  return children
}

export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag === tag) return element
  throw new DerError(`tag ${tag} expected, found ${element?.tag ?? 'the end'}`)
}

function elementAt(bytes: Buffer, at: number): DerElement {
  const tag = byteAt(bytes, at)
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of several bytes')
  const { length, start } = lengthAt(bytes, at + 1)
  const end = start + length
  if (end > bytes.length) throw new DerError('an element longer than its parent')
  return { tag, bytes: bytes.subarray(at, end), content: bytes.subarray(start, end) }
}

function lengthAt(bytes: Buffer, at: number): { length: number; start: number } {
  const first = byteAt(bytes, at)
  if (first < 0x80) return { length: first, start: at + 1 }
  const count = first - 0x80
  if (count < 1 || count > 4) throw new DerError('an indefinite or huge length')
  let length = 0
  for (let index = 1; index <= count; index++) length = length * 256 + byteAt(bytes, at + index)
  return { length, start: at + 1 + count }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new DerError('cut off')
  return byte
}

const timePattern = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/

/** UTCTime or GeneralizedTime as RFC 5280 allows them (4.1.2.5: seconds, Z), in ms since the Unix epoch. */
export function readTime(element: DerElement | undefined): number {
  const parts = isTime(element) ? timePattern.exec(element.content.toString('latin1')) : null
  if (parts === null || element === undefined) throw new DerError('a time expected')
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [number, ...number[]]
  if ((element.tag === tagUtcTime) !== (parts[1]?.length === 2)) throw new DerError('a year of the wrong length')
  const century = element.tag === tagGeneralizedTime ? 0 : year < 50 ? 2000 : 1900
  return Date.UTC(century + year, (month ?? 0) - 1, day, hour, minute, second)
}

export const isTime = (element: DerElement | undefined): element is DerElement =>
  element?.tag === tagUtcTime || element?.tag === tagGeneralizedTime

/** Dotted form of the content of an OBJECT IDENTIFIER. */
export function readOid({ content }: DerElement): string {
  const numbers: number[] = []
  let number = 0
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    numbers.push(number)
    number = 0
  }
  const [first = 0, ...rest] = numbers
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - 40 * root, ...rest].join('.')
}

/** An element of the contents, one after the other. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(length)]), ...contents])
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 + bytes.length, ...bytes]
}

/** A positive INTEGER of hexadecimal digits. */
export function writeInteger(hex: string): Buffer {
  const digits = hex.replace(/^0+(?=.)/, '')
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  // A leading zero byte keeps the number positive.
  return writeDer(tagInteger, Buffer.from(Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even, 'hex'))
}

/** UTCTime until 2049 and GeneralizedTime after it, as RFC 5280 demands (5.1.2.4). Whole seconds. */
export function writeTime(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  const isShort = new Date(ms).getUTCFullYear() < 2050
  return writeDer(isShort ? tagUtcTime : tagGeneralizedTime, Buffer.from(isShort ? text.slice(2) : text))
}

/** An OBJECT IDENTIFIER of its dotted form. */
export function writeOid(dotted: string): Buffer {
  const [root = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return writeDer(tagOid, Buffer.from([root * 40 + second, ...rest].flatMap(base128)))
}

function base128(number: number): number[] {
  const bytes = [number & 0x7f]
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}
