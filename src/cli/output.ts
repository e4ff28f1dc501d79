import { writeSync } from 'node:fs'
import type { Output } from './context.ts'

/**
 * stdout and stderr of a command. With --json exactly one document goes to stdout: the last one given, printed by
 * `end`, so that a failure half-way still leaves valid JSON.
 */
export function createOutput(json: boolean): Output & { end(): void } {
  let last: { value: unknown } | null = null
  return {
    json,
    width: process.stdout.isTTY ? process.stdout.columns : null,
    line: (text = '') => void (json || process.stdout.write(`${text}\n`)),
    notice: (text) => void writeSync(2, `${text}\n`),
    document: (value) => void (last = { value }),
    end: () =>
      void (json && last !== null && process.stdout.write(`${JSON.stringify(last.value, null, 2)}\n`)),
  }
}
