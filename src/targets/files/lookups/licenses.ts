import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../db/tables.ts'
import { isGuid } from '../checks.ts'

export interface WantedLicense {
  text: string
  /** What it must be; null = either. */
  only: 'sku' | 'plan' | null
}

export interface KnownLicense {
  kind: 'sku' | 'plan'
  id: string
  name: string
  /** Entra tenants that have it; none = known from the table of app entitlements only. */
  holders: string[]
}

export type Licenses = Awaited<ReturnType<typeof lookUpLicenses>>

/** SKUs and service plans by id or name, in at most two queries. */
export async function lookUpLicenses(db: Kysely<Database>, wanted: readonly WantedLicense[]) {
  const texts = [...new Set(wanted.map(({ text }) => text.toLowerCase()))]
  const rows = texts.length === 0 ? [] : await find(db, texts)
  const found = Map.groupBy(rows, ({ no }) => texts[no])
  const pick = ({ text, only }: WantedLicense): KnownLicense[] =>
    (found.get(text.toLowerCase()) ?? []).filter(({ kind }) => only === null || kind === only)
  const unknown = wanted.some((one) => !isGuid(one.text) && pick(one).length === 0)
  return { find: pick, names: unknown ? await allNames(db) : [] }
}

async function find(
  db: Kysely<Database>,
  texts: readonly string[],
): Promise<(KnownLicense & { no: number })[]> {
  const { rows } = await sql<KnownLicense & { no: number }>`
    with wanted as (
      select no::int - 1 as no, text from unnest(${texts}::text[]) with ordinality as w (text, no)
    ), ids as materialized (
      select no, text::uuid as id from wanted where entra_sync.is_uuid(text)
    ), found as (
      select w.no, 'sku' as kind, s.sku_id as id, s.sku_part_number as name, s.entra_tenant_id
      from wanted w join subscribed_skus s on lower(s.sku_part_number) = w.text
      union all
      select i.no, 'sku', s.sku_id, s.sku_part_number, s.entra_tenant_id
      from ids i join subscribed_skus s on s.sku_id = i.id
      union all
      select w.no, 'plan', p.service_plan_id, p.service_plan_name, p.entra_tenant_id
      from wanted w join sku_service_plans p on lower(p.service_plan_name) = w.text
      union all
      select i.no, 'plan', p.service_plan_id, p.service_plan_name, p.entra_tenant_id
      from ids i join sku_service_plans p on p.service_plan_id = i.id
      union all
      select w.no, 'plan', p.service_plan_id, p.service_plan_name, null
      from wanted w join app_entitlement_plans p on lower(p.service_plan_name) = w.text or p.service_plan_id::text = w.text
    )
    select no, kind, id, min(name) as name,
      array_remove(array_agg(distinct entra_tenant_id), null)::text[] as holders
    from found group by no, kind, id order by no, kind, id`.execute(db)
  return rows
}

async function allNames(db: Kysely<Database>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select sku_part_number as name from subscribed_skus
    union select service_plan_name from sku_service_plans
    union select service_plan_name from app_entitlement_plans`.execute(db)
  return rows.map(({ name }) => name)
}
