import { initMsp } from '../consent/links/init-msp.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { withGraph } from './graph.ts'

/** `init`: the MSP's own tenant, linked to the Entra tenant that signed up. Doing it twice changes nothing. */
export function init(
  context: CommandContext,
  { name, entraTenant }: { name: string; entraTenant: string },
): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, (db) =>
    withGraph(context, db, async (graph) => {
      const tenantIdOf = (text: string) => graph.tenantIdOf(text, { signal })
      const result = await initMsp(db, tenantIdOf, { name, entraTenant, actor: actorOfCommand() })
      const linked = `${name} and Entra tenant ${result.entraTenantId}`
      output.line(result.created ? `Linked ${linked}.` : `${linked} were linked already.`)
      output.line('Next: entra-sync doctor, then entra-sync customers discover.')
      output.document(result)
      return 0
    }),
  )
}
