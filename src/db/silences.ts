import { sql, type Kysely } from 'kysely'
import { audit } from './audit.ts'
import type { Database } from './tables.ts'

/** What is silenced: a code, an Entra tenant, or one code of one Entra tenant. At least one of them is not null. */
export interface SilenceKey {
  code: string | null
  entraTenantId: string | null
}

export interface Silence {
  silence_id: string
  code: string | null
  entra_tenant_id: string | null
  /** Of the Entra tenant, for people; null where the silence is for all of them. */
  name: string | null
  reason: string
  created_by: string
  created_at: Date
  /** null = until taken back. */
  expires_at: Date | null
  /** Open problems that it keeps from counting now. */
  problems: number
}

/**
 * Silences problems, or says anew until when and why; answers how many open ones that are. They stay open and listed,
 * and count neither in `tenant_status` nor in health and metrics. `until` null = until taken back.
 */
export async function silenceProblems(
  db: Kysely<Database>,
  { code, entraTenantId }: SilenceKey,
  { until, reason, actor }: { until: Date | null; reason: string; actor: string },
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`
      insert into entra_sync.problem_silences (code, entra_tenant_id, reason, created_by, expires_at)
      values (${code}, ${entraTenantId}, ${reason}, ${actor}, ${until})
      on conflict (code, entra_tenant_id) do update set reason = excluded.reason, created_by = excluded.created_by,
        created_at = now(), expires_at = excluded.expires_at`.execute(trx)
    await audit(trx, {
      actor,
      action: 'problems_silenced',
      entraTenantId: entraTenantId ?? undefined,
      detail: { code, until, reason },
    })
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from entra_sync.open_problems p where p.silenced
        and (${code}::text is null or p.code = ${code}) and (${entraTenantId}::uuid is null or p.entra_tenant_id = ${entraTenantId}::uuid)`.execute(
      trx,
    )
    return rows[0]?.count ?? 0
  })
}

/** Takes a silence back; false = there is none of exactly this key. */
export async function unsilenceProblems(
  db: Kysely<Database>,
  { code, entraTenantId }: SilenceKey,
  actor: string,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { numAffectedRows = 0n } = await sql`
      delete from entra_sync.problem_silences
      where code is not distinct from ${code}::text and entra_tenant_id is not distinct from ${entraTenantId}::uuid`.execute(
      trx,
    )
    if (numAffectedRows === 0n) return false
    await audit(trx, {
      actor,
      action: 'problems_unsilenced',
      entraTenantId: entraTenantId ?? undefined,
      detail: { code },
    })
    return true
  })
}

/** The silences that hold now, the newest first. */
export async function listSilences(db: Kysely<Database>): Promise<Silence[]> {
  const { rows } = await sql<Silence>`
    select s.silence_id, s.code, s.entra_tenant_id, coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      s.reason, s.created_by, s.created_at, s.expires_at,
      (select count(*)::int from entra_sync.open_problems p where (s.code is null or s.code = p.code)
        and (s.entra_tenant_id is null or s.entra_tenant_id = p.entra_tenant_id)) as problems
    from entra_sync.problem_silences s left join entra_sync.entra_tenants e using (entra_tenant_id)
    where s.expires_at is null or s.expires_at > now()
    order by s.created_at desc, s.silence_id`.execute(db)
  return rows
}
