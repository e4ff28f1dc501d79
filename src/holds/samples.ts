import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { ListedHold } from './list.ts'

/** One of the things that a hold keeps back. */
export interface HoldSample {
  /** Person, group, device, SKU; of a membership or licence whose it is; of a target its person or computer. */
  name: string
  /** Group of a membership, product of a licence, maintenance item of a target; null = nothing. */
  of: string | null
  /** Targets: the deployment that it is through now, and the one that it would be; null = none. */
  now: string | null
  wanted: string | null
}

const personName = sql`coalesce(p.user_principal_name, p.display_name, i.key[1]::text)`
const groupName = sql`coalesce(g.display_name, i.key[1]::text)`
const nothing = sql`null::text as now, null::text as wanted`

const of: Record<ListedHold['kind'], RawBuilder<unknown>> = {
  person: sql`${personName} as name, null::text as "of", ${nothing}
    from i left join persons p on p.entra_tenant_id = i.entra_tenant_id and p.object_id = i.key[1]`,
  group: sql`${groupName} as name, null::text as "of", ${nothing}
    from i left join groups g on g.entra_tenant_id = i.entra_tenant_id and g.object_id = i.key[1]`,
  membership: sql`coalesce(p.user_principal_name, m.display_name, v.display_name, i.key[2]::text) as name, ${groupName} as "of", ${nothing}
    from i left join groups g on g.entra_tenant_id = i.entra_tenant_id and g.object_id = i.key[1]
    left join persons p on p.entra_tenant_id = i.entra_tenant_id and p.object_id = i.key[2]
    left join groups m on m.entra_tenant_id = i.entra_tenant_id and m.object_id = i.key[2]
    left join devices v on v.entra_tenant_id = i.entra_tenant_id and v.object_id = i.key[2]`,
  license: sql`${personName} as name, coalesce(s.product_name, s.sku_part_number, i.key[2]::text) as "of", ${nothing}
    from i left join persons p on p.entra_tenant_id = i.entra_tenant_id and p.object_id = i.key[1]
    left join subscribed_skus s on s.entra_tenant_id = i.entra_tenant_id and s.sku_id = i.key[2]`,
  device: sql`coalesce(v.display_name, i.key[1]::text) as name, null::text as "of", ${nothing}
    from i left join devices v on v.entra_tenant_id = i.entra_tenant_id and v.object_id = i.key[1]`,
  sku: sql`coalesce(s.product_name, s.sku_part_number, i.key[1]::text) as name, null::text as "of", ${nothing}
    from i left join subscribed_skus s on s.entra_tenant_id = i.entra_tenant_id and s.sku_id = i.key[1]`,
  target: sql`coalesce(p.user_principal_name, p.display_name, c.name, i.key[1]::text) as name,
      coalesce(m.name, i.key[2]::text) as "of", dn.name as now, dw.name as wanted
    from i left join persons p on p.person_id = i.key[1] left join computers c on c.computer_id = i.key[1]
    left join maintenance_items m on m.item_id = i.key[2]
    left join deployment_targets n on n.subject_id = i.key[1] and n.item_id = i.key[2]
    left join deployments dn on dn.deployment_id = n.deployment_id
    left join deployments dw on dw.deployment_id = (i.wanted ->> 'deployment_id')::uuid`,
}

/** What a hold keeps back, by name: the first `limit` of it. */
export async function readHoldSamples(
  db: Kysely<Database>,
  { holdId, kind }: Pick<ListedHold, 'holdId' | 'kind'>,
  limit: number,
): Promise<HoldSample[]> {
  const { rows } = await sql<HoldSample>`
    with i as (select * from hold_items where hold_id = ${holdId})
    select ${of[kind]} order by 1, 2 limit ${limit}`.execute(db)
  return rows
}
