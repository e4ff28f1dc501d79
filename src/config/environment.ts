import type { z } from 'zod'
import { readAtMost } from '../bounded-file.ts'

/** Many times what a certificate, a list of tokens or 1,000 service plans need. */
const largestFile = 256 * 1024

export interface Problem {
  /** The variable. */
  name: string
  /** Reads on after the name: what is wrong and what to do, as `is needed with X. Set it to ...`. */
  text: string
}

/**
 * Reads variables of `env` by zod schemas and gathers what is wrong instead of stopping at the first. A schema's
 * message reads on after the variable's name and may end in a remedy. Byte order marks, outer white space and empty
 * values are dropped: files written by editors and `echo` end in a newline.
 */
export function environmentReader(env: NodeJS.ProcessEnv) {
  const problems: Problem[] = []
  const problem = (name: string, text: string) => void problems.push({ name, text })
  const plain = (name: string) => clean(env[name] ?? '')

  function check<T, F extends T | null>(
    name: string,
    text: string,
    schema: z.ZodType<T, string>,
    fallback: F,
  ): T | F {
    const parsed = schema.safeParse(text)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) problem(name, issue.message)
    return fallback
  }

  function value<T>(name: string, schema: z.ZodType<T, string>, fallback: T): T
  function value<T>(name: string, schema: z.ZodType<T, string>, fallback: null): T | null
  function value<T>(name: string, schema: z.ZodType<T, string>, fallback: T | null): T | null {
    const text = plain(name)
    return text === '' ? fallback : check(name, text, schema, fallback)
  }

  /** As `value`, from `NAME` or from the file that `NAME_FILE` names. */
  function secret<T>(name: string, schema: z.ZodType<T, string>, fallback: null): T | null {
    const path = plain(`${name}_FILE`)
    const direct = plain(name)
    if (path === '') return direct === '' ? fallback : check(name, direct, schema, fallback)
    if (direct !== '') {
      problem(name, `is set beside ${name}_FILE. Unset one of the two.`)
      return fallback
    }
    const text = contents(path)
    if (typeof text !== 'string') {
      problem(`${name}_FILE`, `can't be read (${text.wrong}). Check the path and who may read the file.`)
      return fallback
    }
    if (text !== '') return check(`${name}_FILE`, text, schema, fallback)
    problem(`${name}_FILE`, 'names an empty file. Put the secret into it, or unset the variable.')
    return fallback
  }

  /** What the file holds that a variable names; null = unset, or not to be read, which is a problem. */
  function file(name: string): string | null {
    const path = plain(name)
    if (path === '') return null
    // Not trimmed: lines are counted in it.
    const text = contents(path, (whole) => whole.replace(/^\uFEFF/, ''))
    if (typeof text === 'string') return text
    problem(name, `can't be read (${text.wrong}). Check the path and who may read the file.`)
    return null
  }

  return {
    problems,
    problem,
    value,
    secret,
    file,
    isSet: (name: string) => plain(name) !== '' || plain(`${name}_FILE`) !== '',
  }
}

function clean(text: string): string {
  return text.replace(/^\uFEFF/, '').trim()
}

function contents(path: string, cleaned = clean): string | { wrong: string } {
  const read = readAtMost(path, largestFile)
  return 'wrong' in read ? read : cleaned(read.bytes.toString('utf8'))
}
