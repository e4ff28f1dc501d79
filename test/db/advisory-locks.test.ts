import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { advisoryLocks } from '../../src/db/advisory-locks.ts'

test('no two advisory locks are the same one, and none is named elsewhere', async () => {
  const keys = Object.values(advisoryLocks)
  expect(new Set(keys).size).toBe(keys.length)
  const src = new URL('../../src/', import.meta.url)
  const files = (await readdir(src, { recursive: true })).filter((name) => /\.(ts|sql)$/.test(name))
  expect(files.length).toBeGreaterThan(100)
  for (const file of files) {
    const text = await readFile(new URL(file, src), 'utf8')
    const numbered = /pg_(?:try_)?advisory\w*\(\s*\d/.test(text) || /\b6_?210_?387_?\d/.test(text)
    expect({ file, numbered }).toEqual({ file, numbered: file.endsWith('advisory-locks.ts') })
  }
})
