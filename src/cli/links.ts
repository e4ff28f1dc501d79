import { linkTenant } from '../consent/links/link.ts'
import { findDirectory } from '../consent/links/directory.ts'
import { findTenant } from '../consent/links/tenants.ts'
import { unlinkTenant } from '../consent/links/unlink.ts'
import { describeError } from '../errors.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { beginFirstSync } from './first-sync.ts'
import { withGraph } from './graph.ts'
import { printLinkChange } from './link-change.ts'
import { printable } from './text.ts'

export interface LinkOptions {
  domain: string[]
  preview: boolean
  yes: boolean
}

/** `link`: exit code 2 when it wants --yes, which the printed preview says why. */
export function link(
  context: CommandContext,
  tenant: string,
  idOrDomain: string,
  { domain: domains, preview, yes }: LinkOptions,
): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, (db, url) =>
    withGraph(context, db, async (graph) => {
      const { tenantId, name } = await findTenant(db, tenant)
      const tenantIdOf = (text: string) => graph.tenantIdOf(text, { signal })
      const { unread, ...directory } = await findDirectory(
        { tenantIdOf, graphFor: graph.forTenant, signal },
        idOrDomain,
      )
      const { entraTenantId, displayName } = directory
      if (unread !== null && unread.kind !== 'access_lost' && unread.kind !== 'config')
        output.notice(`Its name and domains could not be read now: ${printable(describeError(unread))}`)
      const change = await linkTenant(
        db,
        { tenantId, directory, domains, actor: actorOfCommand() },
        { preview, confirmed: yes },
      )
      const entra = displayName === null ? entraTenantId : `${printable(displayName)} (${entraTenantId})`
      const part = domains.length === 0 ? '' : ` for ${domains.join(', ')}`
      const done = change.changed
        ? `Linked ${printable(name)} to ${entra}${part}.`
        : `${printable(name)} was linked to ${entra}${part} already.`
      const code = printLinkChange(output, change, { done, preview })
      const first = change.applied ? await beginFirstSync(context, db, url, graph, entraTenantId) : {}
      output.document({ tenantId, ...change, ...first })
      return code
    }),
  )
}

/** `unlink`: likewise. */
export function unlink(
  context: CommandContext,
  tenant: string,
  { domain: domains, preview, yes }: LinkOptions,
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const { tenantId, name } = await findTenant(db, tenant)
    const change = await unlinkTenant(
      db,
      { tenantId, domains, actor: actorOfCommand() },
      { preview, confirmed: yes },
    )
    const what = domains.length === 0 ? 'its Entra tenant' : domains.join(', ')
    const code = printLinkChange(output, change, {
      done: `Unlinked ${printable(name)} from ${what}.`,
      preview,
    })
    output.document({ tenantId, ...change })
    return code
  })
}
