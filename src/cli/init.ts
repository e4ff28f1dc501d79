import { findDirectory } from '../consent/links/directory.ts'
import { initMsp } from '../consent/links/init-msp.ts'
import { saveOrganization } from '../db/entra-tenants.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { beginFirstSync } from './first-sync.ts'
import { withGraph } from './graph.ts'
import { printable } from './text.ts'

/**
 * `init`: the MSP's own tenant, linked to the Entra tenant that signed up. Its name is read from Graph where that is
 * allowed already, else it is the domain that was typed. Doing it twice changes nothing.
 */
export function init(
  context: CommandContext,
  { name: given, entraTenant }: { name?: string; entraTenant: string },
): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, (db, url) =>
    withGraph(context, db, async (graph) => {
      const tenantIdOf = (text: string) => graph.tenantIdOf(text, { signal })
      const directory = await findDirectory({ tenantIdOf, graphFor: graph.forTenant, signal }, entraTenant)
      const { entraTenantId, displayName } = directory
      const name = given ?? displayName ?? nameOfDomain(entraTenant)
      const result = await initMsp(db, async () => entraTenantId, {
        name,
        entraTenant,
        actor: actorOfCommand(),
      })
      if (directory.domains !== null)
        await saveOrganization(db, entraTenantId, { ...directory, domains: directory.domains })
      const linked = `${printable(result.name)} and Entra tenant ${entraTenantId}`
      output.line(result.created ? `Linked ${linked}.` : `${linked} were linked already.`)
      const first = await beginFirstSync(context, db, url, graph, entraTenantId)
      if (first.consent === 'granted')
        output.line('Then: entra-sync customers discover, for the GDAP customers.')
      output.document({ ...result, ...first })
      return 0
    }),
  )
}

/** A tenant id says nothing to anybody, so that it is not taken for a name. */
function nameOfDomain(entraTenant: string): string | null {
  return entraTenant.includes('.') ? entraTenant.trim().toLowerCase() : null
}
