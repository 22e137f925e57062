// PEM text: finds the blocks of a label, and writes one. Promises that a file with several blocks is read in order.
// Never judges what a block holds.

/** The decoded bytes of every block with one of the labels, in order. */
export function pemBlocks(text: string, ...labels: readonly string[]): Buffer[] {
  const pattern = new RegExp(`-----BEGIN (${labels.join('|')})-----([^-]*)-----END \\1-----`, 'g')
  return [...text.matchAll(pattern)].map(([, , base64 = '']) => Buffer.from(base64, 'base64'))
}

/** A block has begun and not ended: a file that was read while it was being written. */
export const isCutOff = (text: string): boolean =>
  (text.match(/-----BEGIN /g)?.length ?? 0) !== (text.match(/-----END /g)?.length ?? 0)

export function encodePem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
