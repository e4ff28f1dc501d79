import type { Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { CommandContext } from '../context.ts'

/**
 * `fail`: the installation, or what all of it stands on, does not work. `warn`: somebody has to look at something, as
 * at one customer of many. `ok` has no remedy.
 */
export type Verdict = 'ok' | 'warn' | 'fail'

export interface Finding {
  check: string
  verdict: Verdict
  detail: string
  remedy?: string
}

/** What checks of a running database are given. */
export interface DoctorContext extends CommandContext {
  db: Kysely<Database>
}

export const ok = (check: string, detail: string): Finding => ({ check, verdict: 'ok', detail })
export const warn = (check: string, detail: string, remedy: string): Finding => ({
  check,
  verdict: 'warn',
  detail,
  remedy,
})
export const fail = (check: string, detail: string, remedy: string): Finding => ({
  check,
  verdict: 'fail',
  detail,
  remedy,
})

export interface Named {
  id: string
  name: string
}

/** More than five names would push the rest off the screen. */
const most = 5

/** The first five names, and how many more there are. */
export function namesOf(rows: readonly Pick<Named, 'name'>[]): string {
  const names = rows.slice(0, most).map(({ name }) => name)
  const more = rows.length - names.length
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** What to write for ID in a command: the id where it is one, else the word. */
export function idOf(rows: readonly Pick<Named, 'id'>[]): string {
  return rows.length === 1 ? (rows[0]?.id ?? 'ID') : 'ID'
}

/** The first five, and one that tells how many more there are. */
export function cut(findings: Finding[]): Finding[] {
  const more = findings.length - most
  const [first] = findings
  if (more <= 0 || first === undefined) return findings
  return [...findings.slice(0, most), { ...first, detail: `and ${more} more of this kind` }]
}

export const day = (at: Date): string => at.toISOString().slice(0, 10)

/** `1 Entra tenant`, `3 Entra tenants`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
