import { createLog, type Log } from '../../src/log.ts'

/** What the daemon writes to its log, line by line. */
export interface LogTap {
  log: Log
  lines: string[]
  /** Lines of `warn` and above from a place on that fit. */
  told(from: number, what: RegExp): string[]
}

const warn = 40

export function tapLog(): LogTap {
  const lines: string[] = []
  const write = (text: string): void => {
    lines.push(text.trimEnd())
    if (process.env['TEST_LOG'] !== undefined) process.stderr.write(text)
  }
  return {
    log: createLog({ level: 'debug', pretty: false }, { write }),
    lines,
    told: (from, what) =>
      lines.slice(from).filter((line) => {
        const { level } = JSON.parse(line) as { level: number }
        return level >= warn && what.test(line)
      }),
  }
}
