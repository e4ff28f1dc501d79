import { expect, test } from 'vitest'
import { z } from 'zod'
import { parseRecords, readRecords } from '../../../src/targets/imports/records.ts'

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
  ['two columns of one name', bytes('Tenant,name,tenant\nContoso,PC-1,Fabrikam\n'), /name of its own/],
  ['a column without a name', bytes('tenant,name,\nContoso,PC-1,more\n'), /name of its own/],
  ['an open quote', bytes('tenant,name\nContoso,"PC-1\n'), /quote/i],
  [
    'ten million columns',
    bytes(`tenant,name\r\nContoso,PC-1${','.repeat(10_000_000)}\r\n`),
    /longer than 64 kB/,
  ],
  ['a hundred megabytes of one line', bytes(','.repeat(100_000_000)), /longer than 64 kB/],
  ['two million records', bytes(`tenant,name\n${'a,b\n'.repeat(2_000_000)}`), /more than 2000000 records/],
  ['two million things of JSON', bytes(`[${'0,'.repeat(2_000_000)}0]`), /more than 2000000 records/],
  ['nothing', bytes(''), /no record/],
  ['a header alone', bytes('tenant,name\n'), /no record/],
  ['an empty list', bytes('[]'), /no record/],
  ['broken JSON', bytes('[{"name": '), /no JSON/],
])('says what is wrong with %s', (_, content, message) => {
  const { records, problems } = readRecords(content)
  // UTF-16 of plain letters is UTF-8 with NULs: then the columns are wrong, which the import tells.
  if (problems.length === 0) expect(Object.keys(records[0]?.values ?? {})).not.toContain('tenant')
  else expect(problems[0]?.message).toMatch(message)
})

test('what is wrong with a million records is told of the first ten thousand', () => {
  const records = Array.from({ length: 1_000_000 }, (_, at) => ({ place: `record ${at}`, values: {} }))
  const { rows, problems } = parseRecords({ records, problems: [] }, z.strictObject({ name: z.string() }))
  expect([rows.length, problems.length]).toEqual([0, 10_000])
})

test('ends of lines may differ within a file; each record knows its line', () => {
  const { records, problems } = readRecords(bytes('tenant,name\r\nA,1\nB,2\r\nC,3\rD,"4\n5"\n\nE,6'))
  expect(problems).toEqual([])
  expect(records.map(({ place, values }) => [place, values['name']])).toEqual([
    ['line 2', '1'],
    ['line 3', '2'],
    ['line 4', '3'],
    ['line 6', '4\n5'],
    ['line 8', '6'],
  ])
})

test('a quote without an end is looked for after the last whole record', () => {
  const { problems } = readRecords(bytes(`tenant,name\nA,1\nB,"2\n${'C,3\n'.repeat(100)}`))
  expect(problems).toEqual([
    { place: 'after line 2', message: 'A quote (") is opened here and closed nowhere.' },
  ])
})
