import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { scopes, states, types } from '../precedence.ts'
import { analyze } from './tables.ts'

const columns = sql.raw(
  ['deployment_id', 'item_id', 'scope', 'target_type', 'rank', 'desired_state', 'created_at', 'filters']
    .map((name) => `d.${name}`)
    .join(', '),
)

/**
 * Which deployments each tenant has, and in which precedence: design rule 8.9, whole. It does not depend on the subject,
 * so that a winner is the smallest number of those that reach it. Parents' deployments come down to their children, and
 * the nearest one's is first; a tenant that is excluded from cross-tenant deployments has none of these.
 */
export async function findDeployments(trx: Transaction<Database>): Promise<void> {
  const typeRanks = sql.raw(
    `case d.target_type ${Object.entries(types)
      .map(([type, rank]) => `when '${type}' then ${rank}`)
      .join(' ')} end`,
  )
  await sql`
    with recursive chain as (
      select tenant_id, tenant_id as above_id, 0 as distance from resolving_tenants
      union all
      select c.tenant_id, t.parent_tenant_id, c.distance + 1
      from chain c join tenants t on t.tenant_id = c.above_id where t.parent_tenant_id is not null
    ), had as (
      select t.tenant_id, t.family_id, 0 as distance, ${columns} from resolving_tenants t, deployments d
      where d.enabled and d.scope = 'cross_tenant' and t.in_cross_tenant_deployments
      union all
      select t.tenant_id, t.family_id, c.distance, ${columns}
      from resolving_tenants t join chain c using (tenant_id) join deployments d on d.tenant_id = c.above_id
      where d.enabled and d.scope = 'single_tenant'
      union all
      select t.tenant_id, t.family_id, 0, ${columns}
      from deployments d join persons p on p.person_id = (d.target ->> 'person_id')::uuid
      join resolving_tenants t on t.tenant_id = p.tenant_id
      where d.enabled and d.target_type = 'person'
      union all
      select t.tenant_id, t.family_id, 0, ${columns}
      from deployments d join computers c on c.computer_id = (d.target ->> 'computer_id')::uuid
      join resolving_tenants t on t.tenant_id = c.tenant_id
      where d.enabled and d.target_type = 'computer'
    )
    insert into resolving_deployments
    select h.tenant_id, h.family_id, h.deployment_id, h.item_id,
      row_number() over (partition by h.tenant_id order by array_position(${[...scopes]}::text[], h.scope), h.distance,
        h.type_rank, h.rank, array_position(${[...states]}::text[], h.desired_state), h.created_at desc, h.deployment_id),
      h.scope, h.distance, h.target_type, i.item_id is not null, false,
      coalesce(h.filters ->> 'accounts', 'enabled'), coalesce(h.filters ->> 'guests', 'exclude'),
      ${lowered('departments')}, ${lowered('domains')}
    from (select d.*, ${typeRanks} as type_rank from had d) h
    left join resolving_items i on i.family_id = h.family_id and i.item_id = h.item_id`.execute(trx)
  await analyze(trx, 'resolving_deployments')
  await sql`
    insert into resolving_terms
    select t.deployment_id, t.term, t.excluded, t.type, t.group_id, t.group_name, t.group_pattern, t.sku_id, t.service_plan_id, t.entitlement, t.tag,
      t.person_id, t.computer_id
    from deployment_terms t where t.deployment_id in (select deployment_id from resolving_deployments)`.execute(
    trx,
  )
  await analyze(trx, 'resolving_terms')
}

function lowered(key: string) {
  return sql`case when jsonb_array_length(h.filters -> ${sql.lit(key)}) > 0
        then array(select lower(x) from jsonb_array_elements_text(h.filters -> ${sql.lit(key)}) as x) end`
}
