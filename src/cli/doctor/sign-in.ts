import { sql } from 'kysely'
import pLimit from 'p-limit'
import type { ConfiguredGraph } from '../../graph-of-config.ts'
import { readOrganization } from '../../graph/organization.ts'
import { explainFailure } from '../failure.ts'
import { withGraph } from '../graph.ts'
import { counted, cut, fail, ok, warn, type DoctorContext, type Finding, type Named } from './finding.ts'

// Standalone Entra tenants may be many, and each costs a token and a read.
const atOnce = 4

/**
 * What `doctor` says of the MSP's own tenant and of signing in: to every partner, and to the standalone Entra tenants
 * that are synced. A token proves login and credential, /organization that the right directory answers.
 */
export async function checkSignIns(context: DoctorContext): Promise<Finding[]> {
  const msp = await checkMsp(context)
  const { rows } = await sql<Named & { partner: boolean }>`
    select entra_tenant_id as id, coalesce(display_name, default_domain, entra_tenant_id::text) as name,
      kind = 'partner' as partner
    from entra_sync.tenant_status
    where kind = 'partner' and state not in ('gone', 'offboarded') or kind = 'standalone' and scheduled
    order by kind, 2`.execute(context.db)
  if (rows.length === 0) return msp
  return withGraph(context, context.db, async (graph) => {
    const limit = pLimit(atOnce)
    const found = await Promise.all(
      rows.map((row) => limit(async () => ({ row, finding: await signIn(context, graph, row) }))),
    )
    const partners = found.filter(({ row }) => row.partner).map(({ finding }) => finding)
    const others = found.filter(({ row }) => !row.partner).map(({ finding }) => finding)
    const good = others.filter(({ verdict }) => verdict === 'ok')
    return [...msp, ...partners, ...summed(good), ...cut(others.filter((one) => !good.includes(one)))]
  })
}

/** One line is enough for what is well. */
function summed(good: Finding[]): Finding[] {
  if (good.length < 2) return good
  return [ok('sign-in to others', `${counted(good.length, 'standalone Entra tenant')} answer as themselves`)]
}

async function checkMsp({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'MSP'
  const { rows } = await sql<{ name: string; slug: string; entraTenantId: string | null }>`
    select t.name, t.slug, l.entra_tenant_id as "entraTenantId" from entra_sync.tenants t
    left join entra_sync.tenant_links l using (tenant_id) where t.is_msp`.execute(db)
  const [msp] = rows
  if (msp === undefined)
    return [warn(check, 'no tenant yet', 'Run entra-sync init --name NAME --entra-tenant DOMAIN.')]
  if (msp.entraTenantId !== null)
    return [ok(check, `${msp.name}, linked to Entra tenant ${msp.entraTenantId}`)]
  const remedy = `Link it: entra-sync link ${msp.slug} ID-OR-DOMAIN.`
  return [fail(check, `${msp.name} is linked to no Entra tenant`, remedy)]
}

async function signIn(
  { signal }: DoctorContext,
  graph: ConfiguredGraph,
  { id, name }: Named,
): Promise<Finding> {
  const check = `sign-in to ${name}`
  try {
    const organization = await readOrganization(graph.forTenant(id), { signal })
    if (organization.id.toLowerCase() === id.toLowerCase())
      return ok(check, `Graph answers as ${organization.displayName ?? organization.id}`)
    return fail(
      check,
      `Graph answered as ${organization.id}`,
      'Check LOGIN_URL and GRAPH_URL: they belong to different clouds or a proxy mixes them up.',
    )
  } catch (error) {
    const { message, remedy } = explainFailure(error).document
    return { check, verdict: 'fail', detail: message, ...(remedy !== undefined && { remedy }) }
  }
}
