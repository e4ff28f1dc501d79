import { printable, shorten, widthOf } from './text.ts'

/** The part of a terminal stream that a bar needs. */
export interface ProgressStream {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

/**
 * One line that shows how far work is. On a terminal it is drawn over itself; elsewhere (a log, a pipe) `show` prints
 * nothing and only `line` does, so that a log holds events and no thousand copies of a bar.
 */
export function createProgressBar(stream: ProgressStream) {
  const live = stream.isTTY === true
  const clear = live ? '\r\u001B[2K' : ''
  let last = ''
  return {
    /** `fraction` from 0 to 1. */
    show(fraction: number, text: string): void {
      if (!live) return
      const columns = stream.columns ?? 80
      const share = Math.min(1, Math.max(0, fraction))
      const percent = `${String(Math.floor(share * 100)).padStart(3)} %`
      const bar = columns >= 60 ? `[${'#'.repeat(Math.round(share * 20)).padEnd(20, '-')}] ` : ''
      // The last column stays free: some terminals wrap when it is filled, and the bar could not be drawn over.
      last = shorten(`${bar}${percent}  ${printable(text)}`, columns - 1)
      stream.write(clear + last)
    },
    /** Prints a line of its own above the bar. Names in it may be anybody's. */
    line(text: string): void {
      stream.write(`${clear}${printable(text)}\n${live ? last : ''}`)
    },
    done(): void {
      if (live && widthOf(last) > 0) stream.write(clear)
      last = ''
    },
  }
}
