import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readAtMost } from '../../src/bounded-file.ts'

const megabyte = 1024 * 1024

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'entra-sync-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

test('reads a file and a pipe, and refuses what is no file of that size', async () => {
  const path = await folder()
  const whole = Buffer.alloc(3 * megabyte, 'a')
  await writeFile(join(path, 'whole'), whole)
  const read = readAtMost(join(path, 'whole'), 3 * megabyte)
  expect('bytes' in read && read.bytes.equals(whole)).toBe(true)
  expect(readAtMost(join(path, 'whole'), 2 * megabyte)).toEqual({ wrong: 'it is larger than 2 MB' })
  expect(readAtMost(join(path, 'whole'), 64 * 1024)).toEqual({ wrong: 'it is larger than 64 kB' })
  execFileSync('mkfifo', [join(path, 'pipe')])
  const writer = spawn('sh', ['-c', 'echo by a pipe > "$0"', join(path, 'pipe')])
  expect(readAtMost(join(path, 'pipe'), megabyte)).toEqual({ bytes: Buffer.from('by a pipe\n') })
  await once(writer, 'exit')
  expect(readAtMost('/dev/zero', 2 * megabyte)).toEqual({ wrong: 'it is larger than 2 MB' })
  expect(readAtMost(path, megabyte)).toEqual({ wrong: 'it is a directory' })
  expect(readAtMost(join(path, 'none'), megabyte)).toEqual({ wrong: 'there is none' })
  await symlink('loop', join(path, 'loop'))
  expect(readAtMost(join(path, 'loop'), megabyte)).toEqual({
    wrong: expect.stringContaining('ELOOP') as string,
  })
})

// With --replace the half of a list that was written by then would have removed the computers of the other half.
test('refuses a file that somebody is still writing', async () => {
  const file = join(await folder(), 'growing.csv')
  await writeFile(file, Buffer.alloc(60 * megabyte, 'a'))
  const writer = spawn('sh', ['-c', 'while :; do printf b >> "$0"; echo; done', file])
  onTestFinished(async () => {
    writer.kill('SIGKILL')
    await once(writer, 'close')
  })
  await once(writer.stdout, 'data')
  writer.stdout.resume()
  expect(readAtMost(file, 100 * megabyte)).toEqual({
    wrong: 'it changed while it was read; wait until it is written',
  })
})
