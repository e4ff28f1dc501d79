import { tableLines, type Column } from './table.ts'
import { printable, widthOf } from './text.ts'

const gap = 2
/** Narrower than this a column of text is no good to read. */
const narrowest = 30

/**
 * A table of which nothing is cut off, for ids and names that are copied: the last column is wrapped into the room that
 * is left, and where there is too little, each row becomes lines of its own below its first column.
 */
export function recordLines<Row>(columns: Column<Row>[], rows: Row[], width: number | null): string[] {
  const first = columns[0]
  const last = columns.at(-1)
  if (width === null || first === undefined || last === undefined) return tableLines(columns, rows, null)
  const fixed = columns.slice(0, -1)
  const room =
    width -
    fixed.reduce(
      (sum, { title, value }) =>
        sum + gap + Math.max(widthOf(title), ...rows.map((row) => widthOf(printable(value(row))))),
      0,
    )
  if (room < narrowest) return rows.flatMap((row) => block(columns, row, width))
  const wrapped = rows.flatMap((row) =>
    wrap(last.value(row), room).map((text, index) => ({ row, text, more: index > 0 })),
  )
  return tableLines<{ row: Row; text: string; more: boolean }>(
    [
      ...fixed.map(({ title, value }) => ({
        title,
        value: ({ row, more }: { row: Row; more: boolean }) => (more ? '' : value(row)),
      })),
      { title: last.title, value: ({ text }) => text },
    ],
    wrapped,
    null,
  )
}

function block<Row>([first, ...rest]: Column<Row>[], row: Row, width: number): string[] {
  const lines = rest.flatMap(({ title, value }) => {
    const text = value(row)
    return text === '' ? [] : wrap(`${title}: ${text}`, width - 4)
  })
  return [printable(first?.value(row) ?? ''), ...lines.map((text) => `  ${text}`)]
}

/** At spaces; a word that is too long is broken. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of printable(text).split(' ')) {
    let rest = word
    if (line !== '' && widthOf(line) + 1 + widthOf(rest) > width) {
      lines.push(line)
      line = ''
    }
    for (; widthOf(rest) > width; rest = rest.slice(width)) lines.push(rest.slice(0, width))
    line = line === '' ? rest : `${line} ${rest}`
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line]
}
