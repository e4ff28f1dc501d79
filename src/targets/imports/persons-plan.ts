import { z } from 'zod'
import { fieldText, type RecordProblem } from './records.ts'

/** Fields that an operator gives to persons made by hand only. */
export const handMade = ['display_name', 'given_name', 'surname', 'mail', 'job_title', 'department'] as const

const tagList = z
  .union([z.array(fieldText(100)), fieldText(5000).transform((text) => text.split(/[;,|]/))])
  .transform((tags) => [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))])

/** A record of the file. */
export const personRecord = z
  .strictObject({
    tenant: fieldText(256).refine((text) => text !== '', 'names no tenant'),
    user_principal_name: fieldText(256)
      .transform((text) => text.toLowerCase())
      .refine((text) => /^[^@\s]+@[^@\s]+$/.test(text), 'must be a UPN, as ada@contoso.com'),
    tags: tagList.optional(),
    add_tags: tagList.optional(),
    remove_tags: tagList.optional(),
    protected_reason: fieldText(500).optional(),
    ...Object.fromEntries(handMade.map((name) => [name, fieldText(256).optional()])),
  })
  .refine((row) => row.tags === undefined || (row.add_tags === undefined && row.remove_tags === undefined), {
    message: 'either tags, or add_tags and remove_tags',
  })

/** A record with its tenant; a key that is not there keeps what is known. */
export interface PersonRow {
  n: number
  place: string
  tenant_id: string
  tenant: string
  entra_tenant_id: string
  user_principal_name: string
  tags?: string[] | undefined
  add_tags?: string[] | undefined
  remove_tags?: string[] | undefined
  protected_reason?: string | undefined
  own: Record<string, string>
}

/** What is known of a row's person, and whose a person of that UPN is. */
export interface KnownPerson {
  n: number
  matches: number
  person_id: string | null
  tenant_id: string | null
  tenant: string | null
  synced: boolean | null
  tags: string[] | null
  protected_reason: string | null
  own: Record<string, string | null> | null
  /** Whose a person of that UPN is, by the links. */
  owner_id: string | null
  owner: string | null
}

interface Change {
  n: number
  personId: string | null
  userPrincipalName: string
  tenant: string
  tags: string[]
  protectedReason: string | null
  own: Record<string, string | null>
  fields: string[]
}

export interface PersonsPlan {
  /** Hand-made persons: Entra does not know them, until a sync finds one of that UPN. */
  added: Change[]
  changed: Change[]
  unchanged: number
  /** Any error: nothing is written. */
  problems: RecordProblem[]
  warnings: RecordProblem[]
}

/** What the import does, row by row (pure). */
export function planPersons(
  rows: readonly PersonRow[],
  known: readonly KnownPerson[],
  problems: RecordProblem[],
): PersonsPlan {
  const plan: PersonsPlan = { added: [], changed: [], unchanged: 0, problems, warnings: [] }
  for (const row of rows) {
    const before = known[row.n]
    const upn = row.user_principal_name
    const holder = before?.person_id == null ? before?.owner_id : before.tenant_id
    if (holder !== row.tenant_id) {
      const whose = (before?.person_id == null ? before?.owner : before.tenant) ?? 'no tenant'
      problems.push({
        place: row.place,
        message: `${upn} is of ${whose}, by the links of its Entra tenant, and not of ${row.tenant}.`,
      })
      continue
    }
    const isNew = before?.person_id == null
    const tags = tagsOf(row, before?.tags ?? [])
    const reason =
      row.protected_reason === undefined ? (before?.protected_reason ?? null) : row.protected_reason || null
    const own: Record<string, string | null> = { ...before?.own }
    if (before?.synced === true && Object.keys(row.own).length > 0)
      plan.warnings.push({
        place: row.place,
        message: `${upn} is known in Entra, which decides on ${Object.keys(row.own).join(', ')}: only tags and protection are taken.`,
      })
    else for (const [key, value] of Object.entries(row.own)) own[key] = value || null
    const changes = [
      ...(isNew || !sameTags(tags, before.tags ?? []) ? ['tags'] : []),
      ...(isNew || reason !== before.protected_reason ? ['protected_reason'] : []),
      ...Object.keys(own).filter((key) => isNew || own[key] !== (before.own?.[key] ?? null)),
    ]
    const change = {
      n: row.n,
      personId: before?.person_id ?? null,
      userPrincipalName: upn,
      tenant: row.tenant,
      tags,
      protectedReason: reason,
      own,
      fields: changes,
    }
    if (isNew) plan.added.push(change)
    else if (changes.length === 0) plan.unchanged += 1
    else plan.changed.push(change)
  }
  return plan
}

/** Tags are compared case-blind, as deployments match them. */
function tagsOf(row: PersonRow, before: readonly string[]): string[] {
  if (row.tags !== undefined) return row.tags
  const removed = new Set((row.remove_tags ?? []).map((tag) => tag.toLowerCase()))
  const kept = before.filter((tag) => !removed.has(tag.toLowerCase()))
  const there = new Set(kept.map((tag) => tag.toLowerCase()))
  return [...kept, ...(row.add_tags ?? []).filter((tag) => !there.has(tag.toLowerCase()))]
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((tag) => b.includes(tag))
}
