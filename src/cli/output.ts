import { writeSync } from 'node:fs'
import type { Output } from './context.ts'

/** What a terminal may take for a command, or for a turn of the direction of writing; JSON leaves it as it is. */
const unseen = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A value as JSON that can be shown on any terminal, whatever somebody called himself in Entra: the same document. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    unseen,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

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
    end: () => void (json && last !== null && process.stdout.write(`${jsonText(last.value)}\n`)),
  }
}
