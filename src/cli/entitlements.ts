import { findTenant } from '../consent/links/tenants.ts'
import { readEntitlements, type AppEntitlement } from '../targets/entitlements/read.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { tableLines, type Column } from './table.ts'
import { number, printable } from './text.ts'

/** `entitlements list`: who is entitled to which product, by which plans and subscribed SKUs. */
export function listEntitlements(context: CommandContext, options: { tenant?: string }): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output, config } = context
    const tenantId = options.tenant === undefined ? null : (await findTenant(db, options.tenant)).tenantId
    const entitlements = await readEntitlements(db, { graceMs: config.licenseGraceMs, tenantId })
    output.document({ entitlements })
    for (const line of tableLines(columns, entitlements, output.width)) output.line(line)
    for (const one of entitlements) printGivers(output, one)
    printTenants(output, entitlements)
    return 0
  })
}

const columns: Column<AppEntitlement>[] = [
  { title: 'Entitlement', value: ({ entitlement }) => entitlement },
  { title: 'Product', value: ({ productName }) => productName },
  { title: 'Persons', value: ({ persons }) => number(persons), align: 'right' },
  { title: 'Tenants', value: ({ tenants }) => number(tenants.length), align: 'right' },
  { title: 'Yields to', value: ({ yieldsTo }) => yieldsTo ?? '' },
]

function printGivers(output: Output, { entitlement, plans, skus }: AppEntitlement): void {
  output.line(`\n${entitlement}`)
  for (const { servicePlanName, servicePlanId, source } of plans) {
    const mark = source === 'configuration' ? '  by the configuration' : ''
    output.line(`  plan ${printable(servicePlanName)}  ${servicePlanId}${mark}`)
  }
  for (const { productName, skuPartNumber, servicePlanNames, entraTenants } of skus) {
    const product = productName === null ? skuPartNumber : `${productName} (${skuPartNumber})`
    const where = entraTenants === 1 ? 'one Entra tenant' : `${number(entraTenants)} Entra tenants`
    output.line(`  SKU  ${printable(`${product} by ${servicePlanNames.join(', ')}`)}, in ${where}`)
  }
  if (skus.length === 0) output.line('  No subscribed SKU gives it now.')
}

/** One line a tenant, one column an entitlement. */
function printTenants(output: Output, entitlements: AppEntitlement[]): void {
  const names = new Map(
    entitlements.flatMap(({ tenants }) => tenants.map(({ tenantId, name }) => [tenantId, name] as const)),
  )
  if (names.size === 0) {
    output.line('\nNobody is entitled to any of them now.')
    return
  }
  const rows = [...names].sort(([, one], [, other]) => one.localeCompare(other))
  const table: Column<(typeof rows)[number]>[] = [
    { title: 'Tenant', value: ([, name]) => name },
    ...entitlements.map(({ entitlement, tenants }) => ({
      title: entitlement,
      value: ([id]: (typeof rows)[number]) =>
        number(tenants.find(({ tenantId }) => tenantId === id)?.persons ?? 0),
      align: 'right' as const,
    })),
  ]
  output.line()
  for (const line of tableLines(table, rows, output.width)) output.line(line)
}
