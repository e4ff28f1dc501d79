import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'

interface Row {
  number: number
  cells: string[]
  /** Test file and name, or file of the catalogue and name of the fault. */
  shown: { file: string; name: string }[]
}

async function readTable(): Promise<Row[]> {
  const text = await readFile('docs/reliability.md', 'utf8')
  return text
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line))
    .map((line) => {
      const cells = line.split(' | ').map((cell) => cell.replace(/^\||\|$/g, '').trim())
      const shown = (cells[3] ?? '').split('; `').flatMap((part) => {
        const [, file = '', names = ''] = /^`?([^`]+)` (.*)$/.exec(part) ?? []
        return [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => ({ file, name }))
      })
      return { number: Number(cells[0]), cells, shown }
    })
}

test('docs/reliability.md has all sixty, each with what happens and a test', async () => {
  const rows = await readTable()
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  for (const { number, cells, shown } of rows) {
    expect({ number, cells: cells.length, empty: cells.includes('') }).toEqual({
      number,
      cells: 4,
      empty: false,
    })
    expect({ number, shown: shown.length > 0 }).toEqual({ number, shown: true })
  }
})

test('every test that it names is there', async () => {
  for (const { number, shown } of await readTable()) {
    for (const { file, name } of shown) {
      const found = file.endsWith('.test.ts')
        ? isTitle(await readFile(file, 'utf8'), name)
        : inCatalogue(file).some((fault) => fault.name === name)
      expect({ number, file, name, found }).toEqual({ number, file, name, found: true })
    }
  }
})

test('every fault of the catalogue is in its row, and done by a test', async () => {
  const rows = await readTable()
  for (const [file, faults] of Object.entries(catalogue)) {
    for (const { number, name } of faults) {
      const named = rows.find((row) => row.number === number)?.shown.map((one) => `${one.file} ${one.name}`)
      expect(named).toContain(`test/faults/${file}.ts ${name}`)
    }
  }
  const tests = (await readdir('test/faults')).filter((file) => file.endsWith('.test.ts'))
  const texts = await Promise.all(tests.map((file) => readFile(`test/faults/${file}`, 'utf8')))
  for (const file of Object.keys(catalogue)) {
    const imported = texts.filter(
      (text) => text.includes(`'./${file}.ts'`) && text.includes('await suffer(world, fault)'),
    )
    expect({ file, tests: imported.length }).toEqual({ file, tests: 1 })
  }
})

/** The name stands where a test has its title: in any kind of quotes, before a comma. */
function isTitle(source: string, name: string): boolean {
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${name}${quote},`))
}

function inCatalogue(file: string): { name: string }[] {
  return catalogue[/^test\/faults\/([\w-]+)\.ts$/.exec(file)?.[1] ?? ''] ?? []
}
