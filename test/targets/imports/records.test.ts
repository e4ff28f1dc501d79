import { expect, test } from 'vitest'
import { readRecords } from '../../../src/targets/imports/records.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test.each([
  ['commas', 'tenant,name\r\nContoso,"PC ""1"", left"\r\n'],
  ['semicolons and a byte order mark', '\uFEFFTenant;Name\nContoso;"PC ""1"", left"\n'],
  ['tabs and empty lines', 'tenant\tname\n\nContoso\t"PC ""1"", left"\n\n'],
])('reads CSV with %s', (_, text) => {
  const { records, problems } = readRecords(bytes(text))
  expect(problems).toEqual([])
  expect(records).toMatchObject([{ values: { tenant: 'Contoso', name: 'PC "1", left' } }])
})

test('reads JSON, and names what is no object by its place', () => {
  expect(readRecords(bytes(' [{"name": "PC-1"}, 7, {"name": "PC-2"}]'))).toEqual({
    records: [
      { place: 'record 1', values: { name: 'PC-1' } },
      { place: 'record 3', values: { name: 'PC-2' } },
    ],
    problems: [{ place: 'record 2', message: 'It must be an object.' }],
  })
})

test.each([
  ['UTF-16', Buffer.from('tenant,name\n', 'utf16le').subarray(0), /UTF-8|Header|column/i],
  ['Latin-1', Buffer.from('tenant,name\nContoso,B\xFCro\n', 'latin1'), /UTF-8/],
  ['a row with too many columns', bytes('tenant,name\nContoso,PC-1,more\n'), /column/i],
  ['an open quote', bytes('tenant,name\nContoso,"PC-1\n'), /quote/i],
  ['broken JSON', bytes('[{"name": '), /no JSON/],
])('says what is wrong with %s', (_, content, message) => {
  const { records, problems } = readRecords(content)
  // UTF-16 of plain letters is UTF-8 with NULs: then the columns are wrong, which the import tells.
  if (problems.length === 0) expect(Object.keys(records[0]?.values ?? {})).not.toContain('tenant')
  else expect(problems[0]?.message).toMatch(message)
})
