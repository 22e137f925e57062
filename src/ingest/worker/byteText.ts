// Compares bytes with a known text, four bytes at a time, because the workers do nothing more often. Pure.

/** A text as numbers of four bytes each, and the remaining bytes. */
export interface Words {
  readonly length: number
  readonly words: readonly number[]
  readonly rest: readonly number[]
}

export function wordsOf(text: string): Words {
  const bytes = Buffer.from(text, 'latin1')
  const words: number[] = []
  for (let at = 0; at + 4 <= bytes.length; at += 4) words.push(bytes.readInt32BE(at))
  return { length: bytes.length, words, rest: [...bytes.subarray(4 * words.length)] }
}

/** True if the text is at `at`. The caller must know that `length` bytes exist there. */
export function isAt(view: DataView, at: number, { words, rest }: Words): boolean {
  let position = at
  for (let i = 0; i < words.length; i++, position += 4) if (view.getInt32(position) !== words[i]) return false
  for (let i = 0; i < rest.length; i++, position++) if (view.getUint8(position) !== rest[i]) return false
  return true
}
