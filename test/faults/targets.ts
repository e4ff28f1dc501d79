import { sql, type Kysely } from 'kysely'
import type { Cloud } from '../../simulator/cloud.ts'
import type { Database } from '../../src/db/tables.ts'

/** Who is to get what by the truth of the cloud, as `entraTenantId objectId item`, and how the table differs from it. */
export async function expectedTargets(
  db: Kysely<Database>,
  cloud: Cloud,
): Promise<{ wanted: Set<string>; differences: string[] }> {
  const wanted = new Set<string>()
  for (const { id, directory } of cloud.tenants) {
    const truth = directory.truth()
    const watch = new Set(
      truth.groups
        .filter(({ displayName }) => displayName?.toLowerCase() === 'fault watch')
        .map((group) => group.id),
    )
    const members = new Set(
      truth.members.filter(({ groupId }) => watch.has(groupId)).map(({ memberId }) => memberId),
    )
    for (const user of truth.users) {
      if (!user.accountEnabled || user.userType === 'Guest' || /#EXT#/i.test(user.userPrincipalName)) continue
      wanted.add(`${id} ${user.id} Everybody`)
      if (members.has(user.id)) wanted.add(`${id} ${user.id} Watched`)
    }
  }
  const { rows } = await sql<{ target: string }>`
    select p.entra_tenant_id || ' ' || p.object_id || ' ' || i.name as target
    from deployment_targets t join persons p on p.person_id = t.subject_id join maintenance_items i using (item_id)`.execute(
    db,
  )
  const stored = new Set(rows.map(({ target }) => target))
  const missing = [...wanted]
    .filter((target) => !stored.has(target))
    .map((target) => `target missing: ${target}`)
  const surplus = [...stored]
    .filter((target) => !wanted.has(target))
    .map((target) => `target too many: ${target}`)
  return { wanted, differences: [...missing, ...surplus] }
}
