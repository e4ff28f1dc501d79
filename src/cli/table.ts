import { printable, shorten, widthOf } from './text.ts'

export interface Column<Row> {
  title: string
  value: (row: Row) => string
  align?: 'right'
}

const gap = 2
const narrowest = 6

/**
 * A table as lines. `width` is the terminal's; null (no terminal) never shortens, so that what a program reads is
 * whole. Where the table is too wide the widest columns give way first.
 */
export function tableLines<Row>(columns: Column<Row>[], rows: Row[], width: number | null): string[] {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))))
  const widths = columns.map(({ title }, index) =>
    Math.max(widthOf(title), ...cells.map((line) => widthOf(line[index] ?? ''))),
  )
  if (width !== null) shrink(widths, width - gap * (columns.length - 1))
  const line = (texts: string[]): string =>
    texts
      .map((text, index) => {
        const room = widths[index] ?? 0
        const short = shorten(text, room)
        const padding = ' '.repeat(Math.max(0, room - widthOf(short)))
        return columns[index]?.align === 'right' ? padding + short : short + padding
      })
      .join(' '.repeat(gap))
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...cells.map(line)]
}

function shrink(widths: number[], room: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - room
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= narrowest) return
    const index = widths.indexOf(widest)
    widths[index] = widest - 1
    excess -= 1
  }
}
