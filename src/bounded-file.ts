import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const chunk = 64 * 1024

/**
 * All bytes of a file of at most `largest` of them, or why there are none. Pipes are read like files: `<(command)` is
 * one. Their size says nothing, nor does that of /dev/zero, so reading itself stops at the limit. A file that somebody
 * is still writing is refused: half a list of computers, imported with --replace, would remove the other half.
 */
export function readAtMost(file: string, largest: number): { bytes: Buffer } | { wrong: string } {
  let handle: number | undefined
  try {
    handle = openSync(file, 'r')
    const before = fstatSync(handle)
    if (before.isDirectory()) return { wrong: 'it is a directory' }
    const parts: Buffer[] = []
    let size = 0
    for (;;) {
      const part = Buffer.alloc(chunk)
      const read = readSync(handle, part, 0, chunk, null)
      if (read === 0) break
      parts.push(part.subarray(0, read))
      size += read
      if (size > largest) return { wrong: `it is larger than ${sizeText(largest)}` }
    }
    const after = fstatSync(handle)
    if (before.isFile() && (after.mtimeMs !== before.mtimeMs || after.size !== size))
      return { wrong: 'it changed while it was read; wait until it is written' }
    return { bytes: Buffer.concat(parts) }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return { wrong: error.code === 'ENOENT' ? 'there is none' : error.message }
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

function sizeText(bytes: number): string {
  const megabyte = 1024 * 1024
  return bytes < megabyte ? `${bytes / 1024} kB` : `${bytes / megabyte} MB`
}
