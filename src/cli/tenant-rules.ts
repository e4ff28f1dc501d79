import { findTenant } from '../consent/links/tenants.ts'
import { setTenantRules, type TenantRules } from '../targets/tenant-rules.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { printEffect } from './deployment-effect.ts'
import { targetContext } from './target-context.ts'
import { printable } from './text.ts'

/** Tenants whose changes are named one by one. */
const sampledTenants = 15

/** `tenants set T [--cross-tenant yes|no] [--parent P|none] [--yes]`: tells what it does to the targets, then does it. */
export function setRules(
  context: CommandContext,
  text: string,
  options: { crossTenant?: 'yes' | 'no'; parent?: string; yes: boolean },
): Promise<number> {
  const { output } = context
  return withDatabase(context, async (db) => {
    const tenant = await findTenant(db, text)
    const rules: TenantRules = {
      ...(options.crossTenant !== undefined && { inCrossTenantDeployments: options.crossTenant === 'yes' }),
      ...(options.parent !== undefined && {
        parentTenantId: options.parent === 'none' ? null : (await findTenant(db, options.parent)).tenantId,
      }),
    }
    const effect = await setTenantRules(targetContext(context, db), tenant.tenantId, rules, {
      keep: options.yes,
      actor: actorOfCommand(),
      sampledTenants,
    })
    output.document({ tenantId: tenant.tenantId, ...rules, applied: options.yes, effect })
    const said = [
      ...(options.crossTenant === undefined
        ? []
        : [
            options.crossTenant === 'yes'
              ? 'gets cross-tenant deployments'
              : 'is left out of cross-tenant deployments',
          ]),
      ...(options.parent === undefined
        ? []
        : [options.parent === 'none' ? 'has no parent' : `is below ${options.parent}`]),
    ]
    output.line(printable(`${tenant.name} ${options.yes ? 'now' : 'then'} ${said.join(' and ')}.`))
    printEffect(output, effect, { done: options.yes, all: false })
    if (options.yes) return 0
    output.line('\nNothing was changed. Do it with --yes.')
    return 2
  })
}
