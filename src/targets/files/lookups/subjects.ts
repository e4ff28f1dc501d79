import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'
import { isGuid } from '../checks.ts'

export interface KnownSubject {
  id: string
  name: string
  tenantId: string | null
  /** Deleted persons only; a computer that is gone is not found. */
  gone: boolean
}

export interface KnownPerson extends KnownSubject {
  isGuest: boolean
  isEnabled: boolean
  department: string | null
}

/** Persons by id or user principal name. Where a live one has the name, deleted ones do not count. */
export async function lookUpPersons(
  db: Kysely<Database>,
  texts: readonly string[],
): Promise<(text: string) => KnownPerson[]> {
  const wanted = distinct(texts)
  if (wanted.length === 0) return () => []
  const { rows } = await sql<KnownPerson & { text: string }>`
    with wanted as (select text from unnest(${wanted}::text[]) as text),
    found as (
      select w.text, p.person_id from wanted w join persons p on lower(p.user_principal_name) = lower(w.text)
      union all
      select w.text, p.person_id from persons p
      join (select text, text::uuid as id from unnest(${wanted.filter(isGuid)}::text[]) as text) w on w.id = p.person_id
    )
    select f.text, p.person_id as id, coalesce(p.user_principal_name, p.person_id::text) as name,
      p.tenant_id as "tenantId", p.deleted_at is not null as gone, coalesce(p.account_enabled, true) as "isEnabled",
      coalesce(lower(p.user_type) = 'guest', false) or coalesce(position('#EXT#' in upper(p.user_principal_name)) > 0, false)
        as "isGuest", p.department
    from found f join persons p using (person_id) order by p.person_id`.execute(db)
  const found = Map.groupBy(rows, ({ text }) => text)
  return (text) => {
    const all = found.get(text.toLowerCase()) ?? []
    const live = all.filter(({ gone }) => !gone)
    return live.length > 0 ? live : all
  }
}

/** Computers by id or name. */
export async function lookUpComputers(
  db: Kysely<Database>,
  texts: readonly string[],
): Promise<(text: string) => KnownSubject[]> {
  const wanted = distinct(texts)
  if (wanted.length === 0) return () => []
  const { rows } = await sql<KnownSubject & { text: string }>`
    with found as (
      select w.text, c.computer_id from unnest(${wanted}::text[]) as w (text) join computers c on lower(c.name) = lower(w.text)
      union
      select w.text, c.computer_id from computers c
      join (select text, text::uuid as id from unnest(${wanted.filter(isGuid)}::text[]) as text) w on w.id = c.computer_id
    )
    select f.text, c.computer_id as id, c.name, c.tenant_id as "tenantId", false as gone
    from found f join computers c using (computer_id) order by c.computer_id`.execute(db)
  const found = Map.groupBy(rows, ({ text }) => text)
  return (text) => found.get(text.toLowerCase()) ?? []
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts.map((text) => text.toLowerCase()))]
}
