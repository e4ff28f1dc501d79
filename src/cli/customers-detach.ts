import { listKnownCustomers } from '../consent/customers/customers.ts'
import { detachCustomer, previewDetach, type Detached } from '../consent/customers/detach.ts'
import { EntraSyncError } from '../errors.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext, type Output } from './context.ts'
import { customerIdOf } from './find-customer.ts'
import { findEntraTenant } from './find-tenant.ts'
import { printable } from './text.ts'

/** `customers detach ID [--yes]`: without --yes tells what it means, changes nothing, and ends with code 2. */
export function detach(context: CommandContext, text: string, confirmed: boolean): Promise<number> {
  const { output, config } = context
  return withDatabase(context, async (db) => {
    const entraTenantId = await find()
    const request = { entraTenantId, defaultClientId: config.defaultApp?.clientId ?? null }
    if (confirmed) {
      const detached = await detachCustomer(db, { ...request, actor: actorOfCommand() })
      print(output, detached, true)
      output.document({ ...detached, detached: true })
      return 0
    }
    const detached = await previewDetach(db, request)
    print(output, detached, false)
    output.line(`Nothing was changed. Do it with --yes: entra-sync customers detach ${entraTenantId} --yes`)
    output.document({ ...detached, detached: false })
    return 2

    /** A customer that no list names any more is found among the Entra tenants. */
    async function find(): Promise<string> {
      const customers = await listKnownCustomers(db)
      try {
        return customerIdOf(customers, text)
      } catch (error) {
        if (!(error instanceof EntraSyncError) || error.code !== 'customer_unknown') throw error
        return (await findEntraTenant(db, text)).entraTenantId
      }
    }
  })
}

function print(output: Output, detached: Detached, done: boolean): void {
  const { partnerName, appInUse, appWanted, scheduled, state } = detached
  const name = printable(detached.name)
  output.line(
    `${name} ${done ? 'is now' : 'would become'} standalone, no customer of ${printable(partnerName)} any more.`,
  )
  output.line('Its link, persons and consent stay. Whether a GDAP relationship is active counts no more.')
  if (appInUse === null)
    output.line('No app is there to read it with: configure the Default app, or give it one of its own.')
  else if (appInUse === appWanted) output.line(`It is read with app ${appInUse}.`)
  else
    output.line(
      `It goes on being read with app ${appInUse}, which it has consented to, until it consents to ${appWanted ?? 'an app of its own'}.`,
    )
  output.line(
    scheduled
      ? 'It is synced like any standalone Entra tenant; entra-sync pause or offboard ends that.'
      : `It is not synced: ${state.replaceAll('_', ' ')}.`,
  )
  output.line(
    `Pre-consent reaches it no more; consent is given by its own admin: entra-sync consent url ${detached.entraTenantId}.`,
  )
}
