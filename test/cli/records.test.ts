import { expect, test } from 'vitest'
import { recordLines, wrap } from '../../src/cli/records.ts'
import { permissions } from '../../src/permissions.ts'

const columns = [
  { title: 'Permission', value: ({ name }: { name: string }) => name },
  { title: 'Need', value: ({ need }: { need: string }) => need },
  { title: 'For', value: ({ purpose }: { purpose: string }) => purpose },
] as const
const table = (width: number | null) => recordLines([...columns], [...permissions], width)

test.each([80, 100, 120, 200])('nothing is cut off and nothing is too wide in %d columns', (width) => {
  const lines = table(width)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
  const words = (text: string) => text.split(/\s+/).filter(Boolean)
  const all = new Set(lines.flatMap(words))
  for (const { name, need, purpose } of permissions)
    for (const word of words(`${name} ${need} ${purpose}`)) expect(all).toContain(word)
  expect(lines.join('')).not.toContain('…')
})

test('in 120 columns it is a table, in 80 a block for each', () => {
  expect(table(120)[0]).toMatch(/^Permission +Need +For$/)
  expect(table(80).slice(0, 3)).toEqual([
    'User.Read.All',
    '  Need: required',
    '  For: users and the organization',
  ])
})

test('a word that is too long is broken, one that fits is not', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij'])
  expect(wrap('', 4)).toEqual([''])
})
