import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

/** A run of a sync ends long before; what is dirty for longer is resolved though one is under way. */
const longestRunMinutes = 10

/**
 * Families whose wake-up was lost: not frozen, not resting after a failure, and dirty for longer than `afterMs`, or by
 * an operator's act or SQL, which wake nobody. A family that is being synced waits for the end of its run, which
 * wakes it: half a round would tell of moves that its end takes back. `only`: of these.
 */
export async function forgottenFamilies(
  db: Kysely<Database>,
  afterMs: number,
  only?: readonly string[],
): Promise<string[]> {
  const { rows } = await sql<{ family_id: string }>`
    with dirt as (
      select family_id, min(at) as since, bool_or(deliberate) as deliberate, false as raised
      from target_dirt group by family_id
      union all
      select f.family_id, null, false, true from tenants t join tenant_families f using (tenant_id)
      where t.targets_dirty_seq > t.targets_clean_seq
      union all
      select e.entra_tenant_id, e.last_synced_at, false, false from entra_tenants e
      where not exists (select from target_families f where f.family_id = e.entra_tenant_id)
        and exists (select from tenant_links l where l.entra_tenant_id = e.entra_tenant_id)
    ), dirty as (
      select family_id, min(since) as since, bool_or(deliberate) as deliberate, bool_or(raised) as raised
      from dirt group by family_id
    )
    select d.family_id from dirty d
    left join target_family_status s using (family_id)
    left join target_failures x using (family_id)
    where (${only ?? null}::uuid[] is null or d.family_id = any (${only ?? null}))
      and s.frozen is null and coalesce(x.retry_at, '-infinity') <= now()
      and (d.deliberate or d.raised or d.since <= now() - make_interval(secs => ${afterMs / 1000}))
      and (d.deliberate or d.since < now() - make_interval(mins => ${longestRunMinutes}) or not exists (
        select from sync_runs r where r.entra_tenant_id = d.family_id and r.finished_at is null))
    order by d.since nulls last, d.family_id`.execute(db)
  return rows.map((row) => row.family_id)
}

/** The oldest dirt of a family: what names a wake-up, since those of the same dirt count as one. Null = none. */
export async function oldestDirt(db: Kysely<Database>, familyId: string): Promise<number | null> {
  const { rows } = await sql<{ dirt_id: number | null }>`
    select min(dirt_id) as dirt_id from target_dirt where family_id = ${familyId}`.execute(db)
  return rows[0]?.dirt_id ?? null
}

/**
 * Dirties families that were not resolved whole for a day, so that a trigger that missed something heals: after a full
 * round, which heals what syncs have missed; without an Entra tenant there is none to wait for. Not deliberate: what
 * comes of it passes the guard. Answers how many. A day less some hours, or a round a little earlier than the last
 * one would put it off by another day.
 */
export async function dirtyDaily(db: Kysely<Database>, familyId?: string): Promise<number> {
  const result = await sql`
    insert into target_dirt (family_id, kind)
    select f.family_id, 'all' from target_families f
    left join entra_tenants e on e.entra_tenant_id = f.family_id
    where (${familyId ?? null}::uuid is null or f.family_id = ${familyId ?? null})
      and f.whole_at < now() - interval '20 hours'
      and case when e.entra_tenant_id is not null then e.last_full_at > f.whole_at
        else exists (select from tenant_families t where t.family_id = f.family_id) end
      and not exists (select from target_dirt d where d.family_id = f.family_id and d.kind = 'all')`.execute(
    db,
  )
  return Number(result.numAffectedRows ?? 0n)
}

/** Dirties all of a family, for an operator who wants it resolved anew. Answers up to which dirt that is. */
export async function dirtyFamily(db: Kysely<Database>, familyId: string): Promise<number> {
  const { dirt_id: dirtId } = await db
    .insertInto('target_dirt')
    .values({ family_id: familyId, kind: 'all' })
    .returning('dirt_id')
    .executeTakeFirstOrThrow()
  return dirtId
}

/** Forgets families of tenants and Entra tenants that are no more, when nothing of theirs is left. Answers how many. */
export async function forgetGoneFamilies(db: Kysely<Database>): Promise<number> {
  const result = await sql`
    with gone as (
      select f.family_id from target_families f
      where not exists (select from entra_tenants e where e.entra_tenant_id = f.family_id)
        and not exists (select from tenants t where t.tenant_id = f.family_id)
        and not exists (select from deployment_targets t where t.family_id = f.family_id)
        and not exists (select from target_dirt d where d.family_id = f.family_id)
    ), failures as (
      delete from target_failures x using gone g where x.family_id = g.family_id
    )
    delete from target_families f using gone g where f.family_id = g.family_id`.execute(db)
  return Number(result.numAffectedRows ?? 0n)
}

/**
 * Families that a deployment touches or has dirt in; null = nobody knows of it: it is none, and was none since the last
 * resolution.
 */
export async function familiesOfDeployment(
  db: Kysely<Database>,
  deploymentId: string,
): Promise<string[] | null> {
  const { rows } = await sql<{ known: boolean; families: string[] | null }>`
    with families as (
      select d.family_id from target_dirt d where d.kind = 'deployment' and d.id = ${deploymentId}
      union select t.family_id from deployment_targets t where t.deployment_id = ${deploymentId}
      union select f from deployments d
        cross join lateral families_of_deployment(d.scope, d.tenant_id, d.target_type, d.target) f
      where d.deployment_id = ${deploymentId}
    )
    select exists (select from deployments where deployment_id = ${deploymentId}) as known,
      (select array_agg(family_id) from families where family_id is not null) as families`.execute(db)
  const [row] = rows
  return row?.families ?? (row?.known === true ? [] : null)
}
