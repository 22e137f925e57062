// Files that cannot be read or written, as faults for a person: the path first, then the reason in plain words.

import type { ConfigFault } from './errors.ts'

const readReasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'no permission to read it',
  EPERM: 'no permission to read it',
  EISDIR: 'a folder, not a file',
  ENOTDIR: 'a part of this path is a file, not a folder',
  ELOOP: 'its symbolic links form a circle',
  ENAMETOOLONG: 'the path is too long'
}

const writeReasons: Readonly<Record<string, string>> = {
  ...readReasons,
  ENOENT: 'its folder does not exist',
  EEXIST: 'it exists, and is not a folder',
  EACCES: 'no permission to write it',
  EPERM: 'no permission to write it',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be too large'
}

/** `cause`: what reading the file threw. `place`: the flag or key that names the file. */
export const readFault = (file: string, cause: unknown, place?: string): ConfigFault =>
  fileFault(file, 'a file that can be read', reasonOf(cause, readReasons), place)

/** `cause`: what writing the file threw. `place`: the flag or key that names the file. */
export const writeFault = (file: string, cause: unknown, place?: string): ConfigFault =>
  fileFault(file, 'a file that can be written', reasonOf(cause, writeReasons), place)

/** A fault of the file's content or of access to it. The sentence starts with the path of the file. */
export function fileFault(file: string, expected: string, reason: string, place?: string): ConfigFault {
  if (place === undefined) return { path: file, expected, found: reason, sentence: `${file}: ${reason}` }
  return { path: place, expected, found: `${file}: ${reason}`, sentence: `${file}: ${reason} (${place})` }
}

/** Whether the operating system refused a file; every other error is a fault of the program. */
export const isFileError = (cause: unknown): boolean => codeOf(cause) in writeReasons

function reasonOf(cause: unknown, reasons: Readonly<Record<string, string>>): string {
  const code = codeOf(cause)
  return reasons[code] ?? `it cannot be used (${code || String(cause)})`
}

const codeOf = (cause: unknown): string => {
  const { code } = (cause ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' ? code : ''
}
