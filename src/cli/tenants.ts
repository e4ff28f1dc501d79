import { addTenant, findTenant, listTenants, type TenantEntry } from '../consent/links/tenants.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'

/** `tenants add` */
export function addTenantCommand(
  context: CommandContext,
  name: string,
  { parent, slug }: { parent?: string; slug?: string },
): Promise<number> {
  return withDatabase(context, async (db) => {
    const parentTenantId = parent === undefined ? undefined : (await findTenant(db, parent)).tenantId
    const made = await addTenant(db, { name, slug, parentTenantId, actor: actorOfCommand() })
    context.output.line(`Made the tenant ${printable(made.name)} (${made.slug}).`)
    context.output.line(`Next: entra-sync link ${made.slug} ID|DOMAIN`)
    context.output.document(made)
    return 0
  })
}

/** `tenants list` */
export function listTenantsCommand(context: CommandContext): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const tenants = await listTenants(db)
    output.document({ tenants })
    if (tenants.length === 0) output.line('No tenant yet. `entra-sync init` makes the first one.')
    const lines = tableLines<TenantEntry>(
      [
        { title: 'Tenant', value: ({ name }) => printable(name) },
        { title: 'Slug', value: ({ slug }) => slug },
        {
          title: 'Entra tenant',
          value: ({ entraTenant, entraTenantId }) => printable(entraTenant ?? entraTenantId ?? ''),
        },
        { title: 'Domains', value: ({ domains, entraTenantId }) => domainText(domains, entraTenantId) },
        { title: 'Kind', value: ({ kind }) => kind ?? '' },
        { title: 'Parent', value: ({ parent }) => printable(parent ?? '') },
        { title: 'Persons', value: ({ persons }) => number(persons), align: 'right' },
      ],
      tenants,
      output.width,
    )
    if (tenants.length > 0) for (const line of lines) output.line(line)
    return 0
  })
}

/** `tenants show` */
export function showTenantCommand(context: CommandContext, text: string): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const { tenantId } = await findTenant(db, text)
    const [all, [tenant]] = [await listTenants(db), await listTenants(db, tenantId)]
    if (tenant === undefined) throw new Error('The tenant was deleted while it was shown')
    const children = all.filter((other) => other.parentTenantId === tenantId)
    const siblings = all.filter(
      (other) =>
        other.entraTenantId !== null &&
        other.entraTenantId === tenant.entraTenantId &&
        other.tenantId !== tenantId,
    )
    output.line(`${printable(tenant.name)}${tenant.isMsp ? ' (the MSP)' : ''}`)
    const line = (title: string, value: string) => output.line(`  ${title.padEnd(13)} ${value}`)
    line('id', tenant.tenantId)
    line('slug', tenant.slug)
    if (tenant.entraTenantId === null)
      line('Entra tenant', `not linked; entra-sync link ${tenant.slug} ID|DOMAIN`)
    else {
      line('Entra tenant', `${printable(tenant.entraTenant ?? '')} (${tenant.entraTenantId})`)
      line('persons of', domainText(tenant.domains, tenant.entraTenantId))
      line('kind', `${tenant.kind}, ${tenant.state}; consent ${tenant.consent ?? 'not proved yet'}`)
    }
    line('persons', number(tenant.persons))
    if (tenant.parent !== null) line('parent', printable(tenant.parent))
    if (children.length > 0) line('children', children.map(({ name }) => printable(name)).join(', '))
    for (const other of siblings)
      line('shared with', `${printable(other.name)}: ${domainText(other.domains, other.entraTenantId)}`)
    if (!tenant.inCrossTenantDeployments) line('deployments', 'left out of cross-tenant ones')
    output.document({ ...tenant, children, sharedWith: siblings })
    return 0
  })
}

function domainText(domains: readonly string[], entraTenantId: string | null): string {
  if (entraTenantId === null) return ''
  return domains.length === 0 ? 'all others' : domains.join(', ')
}
