import { sql, type Kysely } from 'kysely'
import type { Database, SubjectKind } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'

/** A person or a computer, as explained. */
export interface Subject {
  kind: SubjectKind
  id: string
  name: string
  tenantId: string | null
  tenant: string | null
  familyId: string
  /** Persons only: why they get no targets at all. */
  deletedAt: Date | null
  enabled: boolean | null
  userType: string | null
  department: string | null
  tags: string[]
  objectId: string | null
  /** Computers only: whom ImmyBot names as its primary user, and who that is in its family. */
  primaryUser: string | null
  primaryPersonId: string | null
}

/**
 * Finds persons and computers by id, UPN, mail or computer name, case-blind; `tenant`: name, slug or id of the tenant
 * that they must belong to.
 * @throws kind `input`, code `subject_unknown` or `subject_ambiguous`
 */
export async function findSubject(db: Kysely<Database>, text: string, tenant?: string): Promise<Subject> {
  const wanted = text.trim().toLowerCase()
  const found = await readSubjects(db, wanted, tenant?.trim().toLowerCase() ?? null)
  const [subject, ...others] = found
  if (subject === undefined) {
    throw new EntraSyncError(
      'input',
      `There is no person and no computer ${text}${tenant ? ` in ${tenant}` : ''}.`,
      {
        code: 'subject_unknown',
        remedy:
          'Give a UPN, a computer name or an id; `entra-sync persons list --search` and `computers list` show them.',
      },
    )
  }
  if (others.length > 0) {
    const list = found.slice(0, 5).map((one) => `${one.kind} ${one.id} in ${one.tenant ?? 'no tenant'}`)
    throw new EntraSyncError('input', `${text} is not one but ${found.length}: ${list.join('; ')}.`, {
      code: 'subject_ambiguous',
      remedy: 'Give --tenant, or the id.',
    })
  }
  return subject
}

/** One subject by its id; null = there is none. */
export async function readSubject(db: Kysely<Database>, id: string): Promise<Subject | null> {
  const [subject] = await readSubjects(db, id.toLowerCase(), null)
  return subject ?? null
}

async function readSubjects(db: Kysely<Database>, wanted: string, tenant: string | null): Promise<Subject[]> {
  const { rows } = await sql<Subject>`
    select * from (
      select 'person' as kind, p.person_id as id, coalesce(p.display_name, p.user_principal_name, p.person_id::text) as name,
        p.tenant_id as "tenantId", t.name as tenant, p.entra_tenant_id as "familyId", p.deleted_at as "deletedAt",
        p.account_enabled as enabled, p.user_type as "userType", p.department, p.tags, p.object_id as "objectId",
        null::text as "primaryUser", null::uuid as "primaryPersonId", t.slug
      from persons p left join tenants t using (tenant_id)
      where lower(p.user_principal_name) = ${wanted} or p.person_id::text = ${wanted} or p.object_id::text = ${wanted}
        or lower(p.mail) = ${wanted}
      union all
      select 'computer', c.computer_id, c.name, c.tenant_id, t.name, f.family_id, null, null, null, null, '{}',
        (select v.object_id from devices v where v.entra_tenant_id = f.family_id and v.device_id = c.entra_device_id limit 1),
        c.primary_user_principal_name, u.person_id, t.slug
      from computers c join tenants t using (tenant_id) join tenant_families f using (tenant_id)
      left join lateral (
        select p.person_id from persons p
        where p.entra_tenant_id = f.entra_tenant_id and p.deleted_at is null and p.tenant_id is not null
          and lower(p.user_principal_name) = lower(c.primary_user_principal_name)
        order by p.object_id is null, p.first_seen_at, p.person_id limit 1
      ) u on true
      where lower(c.name) = ${wanted} or c.computer_id::text = ${wanted}
    ) s
    where ${tenant}::text is null or ${tenant} in (lower(s.tenant), s.slug, s."tenantId"::text)
    order by s."deletedAt" is not null, s.name limit 20`.execute(db)
  // A deleted person of the same UPN is not meant when a live one is there.
  const live = rows.filter(({ deletedAt }) => deletedAt === null)
  return live.length > 0 ? live : rows
}
