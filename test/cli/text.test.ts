import { describe, expect, test } from 'vitest'
import { createProgressBar } from '../../src/cli/progress-bar.ts'
import { explainFailure } from '../../src/cli/failure.ts'
import { tableLines } from '../../src/cli/table.ts'
import { age, printable, shorten, widthOf } from '../../src/cli/text.ts'

describe('names out of a directory', () => {
  test.each([
    ['\u001B[2J\u001B[31mContoso', 'Contoso'],
    ['\u001B]0;owned\u0007Contoso', 'Contoso'],
    ['Con\r\ntoso', 'Con toso'],
    ['Con\u0000to\u0008so\u009B', 'Contoso'],
    ['\u202Eosotnoc', 'osotnoc'],
    ['Zoë 株式会社', 'Zoë 株式会社'],
  ])('%j is printed as %j', (text, safe) => {
    expect(printable(text)).toBe(safe)
  })

  test('widths count what a terminal shows', () => {
    expect([widthOf('abc'), widthOf('株式'), widthOf('e\u0301'), widthOf('👩‍👩‍👧')]).toEqual([3, 4, 1, 2])
    expect(shorten('abcdef', 4)).toBe('abc…')
    expect(widthOf(shorten('株式会社株式会社', 6))).toBeLessThanOrEqual(6)
  })
})

describe('tables', () => {
  const columns = [
    { title: 'Name', value: (row: { name: string; count: string }) => row.name },
    { title: 'Count', value: (row: { name: string; count: string }) => row.count, align: 'right' as const },
  ]
  const rows = [
    { name: 'a very long name of a customer somewhere', count: '1' },
    { name: '\u001B[31mred', count: '12,345' },
  ]

  test('no terminal: nothing is shortened', () => {
    expect(tableLines(columns, rows, null)).toEqual([
      `Name${' '.repeat(36)}   Count`,
      'a very long name of a customer somewhere       1',
      `red${' '.repeat(37)}  12,345`,
    ])
  })

  test.each([100, 40, 20, 14])('a terminal of %i columns is not overrun', (width) => {
    for (const line of tableLines(columns, rows, width)) expect(widthOf(line)).toBeLessThanOrEqual(width)
  })

  test('a terminal too narrow for anything still gets every row', () => {
    expect(tableLines(columns, rows, 3)).toHaveLength(3)
  })
})

describe('progress', () => {
  function recorded(isTTY: boolean, columns = 80) {
    const written: string[] = []
    return { written, bar: createProgressBar({ isTTY, columns, write: (text) => written.push(text) }) }
  }

  test.each([20, 59, 120])('on a terminal of %i columns the bar stays on one line', (columns) => {
    const { written, bar } = recorded(true, columns)
    bar.show(0.5, '12/25 done, 48,000 objects on 49 pages, Contoso, Fabrikam, Northwind')
    bar.show(7, 'more than all')
    for (const text of written) expect(widthOf(printable(text.replace('\r', '')))).toBeLessThan(columns)
    expect(written.join('')).toContain(' 50 %')
    expect(written.join('')).toContain('100 %')
    expect(written.join('')).not.toContain('\n')
  })

  test('elsewhere there are lines and no bar', () => {
    const { written, bar } = recorded(false)
    bar.show(0.5, 'half')
    bar.line('Contoso: succeeded')
    bar.done()
    expect(written).toEqual(['Contoso: succeeded\n'])
  })
})

test.each([
  [0, '0 s'],
  [59_000, '59 s'],
  [61_000, '1 min'],
  [3 * 3600_000, '3 h'],
  [49 * 3600_000, '2 d'],
  [-5000, '0 s'],
])('%i ms ago is %s', (ms, text) => {
  expect(age(new Date(1_000_000_000_000 - ms), new Date(1_000_000_000_000))).toBe(text)
})

describe('failures', () => {
  test('a refused connection to several addresses still says what happened', () => {
    const refused = Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:5432')]), {
      code: 'ECONNREFUSED',
    })
    expect(explainFailure(refused).text).toMatch(/ECONNREFUSED ::1:5432.*DATABASE_URL/)
  })

  test('what nobody thought of is one line, without secrets, and its stack is apart', () => {
    const failure = explainFailure(new Error('boom with Bearer abc.def.ghi'))
    expect(failure.text).toMatch(/^Unexpected error: boom with Bearer \[secret\]\./)
    expect(failure.text).not.toMatch(/\n/)
    expect(failure.unexpected).toMatch(/\n\s+at /)
  })
})
