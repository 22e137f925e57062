// A tar archive (POSIX ustar) of a few small files. Pure, and the same content makes the same bytes.

export interface TarEntry {
  /** With slashes, at most 100 bytes; a folder ends in one. */
  readonly path: string
  readonly mode: number
  /** User and group that own it where it is unpacked by root, at most 31 bytes. */
  readonly owner: string
  readonly content?: string
}

const blockBytes = 512
const pathBytesMax = 100

/** `timeS`: of all entries, in seconds since 1970. */
export function makeTar(entries: readonly TarEntry[], timeS: number): Buffer {
  const blocks = entries.flatMap(entry => {
    const content = Buffer.from(entry.content ?? '')
    return [headerOf(entry, content.length, timeS), content, Buffer.alloc(paddingOf(content.length))]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)])
}

const paddingOf = (bytes: number): number => (blockBytes - (bytes % blockBytes)) % blockBytes

function headerOf({ path, mode, owner }: TarEntry, bytes: number, timeS: number): Buffer {
  if (Buffer.byteLength(path) > pathBytesMax)
    throw new Error(`expected a path of ${pathBytesMax} bytes at most, found ${path}`)
  const header = Buffer.alloc(blockBytes)
  const put = (at: number, text: string): void => void header.write(text, at, 'utf8')
  const octal = (at: number, digits: number, number: number): void => put(at, number.toString(8).padStart(digits, '0'))
  put(0, path)
  octal(100, 7, mode)
  octal(108, 7, 0) // user and group by number: root, where nobody has the name
  octal(116, 7, 0)
  octal(124, 11, bytes)
  octal(136, 11, timeS)
  put(148, ' '.repeat(8)) // the checksum counts as blanks in itself
  put(156, path.endsWith('/') ? '5' : '0')
  put(257, 'ustar\x0000')
  put(265, owner)
  put(297, owner)
  const sum = header.reduce((total, byte) => total + byte, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return header
}
