import { html } from 'hono/html'
import { z } from 'zod'
import type { OffboardReport } from '../../consent/offboard/offboard.ts'
import type { OffboardPlan } from '../../consent/offboard/plan.ts'
import { EntraSyncError } from '../../errors.ts'
import { parsed } from '../input.ts'
import { offboardNow, offboardPlan } from '../acts/offboard.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import type { Flash } from './flashes.ts'
import { facts, name, nothing, number, type Markup } from './parts.ts'

const ticked = z
  .literal('yes')
  .optional()
  .transform((value) => value === 'yes')
const form = z.object({ purge: ticked, revoke: ticked, confirm: z.string().max(1000).default('') })

/** `/entra-tenants/:id/offboard`: what it would mean, then the act. */
export function addOffboardPage({ deps, page, act }: ConsoleContext): void {
  const path = '/entra-tenants/:id/offboard'
  page(path, '/', async (context, operator) => {
    const { plan, apps } = await offboardPlan(deps, idOf(context))
    return { title: `Offboard ${plan.name}`, body: planPage(plan, apps, operator) }
  })
  act(
    path,
    (context, given) => {
      const purged = form.safeParse(given).data?.purge === true
      return purged ? '/' : `/entra-tenants/${context.req.param('id')}`
    },
    async (given, context) => {
      const { purge, revoke, confirm } = parsed(form, given)
      const id = idOf(context)
      const { plan } = await offboardPlan(deps, id)
      if (purge && confirm.trim() !== plan.name) {
        throw new EntraSyncError('input', `Nothing was done: the name typed is not ${plan.name}.`, {
          code: 'purge_not_confirmed',
          remedy: 'What is purged is gone for good: type the name as it stands there.',
        })
      }
      return told(await offboardNow(deps, id, { purge, revoke }, context.get('signedIn').name))
    },
  )
}

function told({ plan, stopped, grants, purged, unassigned, left }: OffboardReport): Flash {
  const rows = purged === null ? 0 : Object.values(purged).reduce((all, one) => all + one, 0)
  return {
    tone: 'good',
    text: stopped.before
      ? `${plan.name} had been offboarded; this went on with it.`
      : `${plan.name} is offboarded.`,
    more: [
      ...grants.map(({ clientId, outcome, why }) =>
        outcome === 'revoked' ? `Revoked: app ${clientId}.` : `Not revoked: app ${clientId}. ${why ?? ''}`,
      ),
      ...(purged === null ? [] : [`Purged: ${number(rows)} rows.`]),
      ...(unassigned ? [`Unassigned: ${number(unassigned)} targets.`] : []),
      ...left,
    ],
  }
}

function planPage(plan: OffboardPlan, apps: string[], operator: boolean): Markup {
  const { entraTenantId: id, counts, protectedPersons } = plan
  return html`<h1>Offboard ${name(plan.name)}?</h1>
    <p class="sub"><a href="/entra-tenants/${id}">Back to ${name(plan.name)}</a></p>
    <section>
      <p>
        It is never synced again, a sync that runs now writes no more, and links for its admin are void.
        Without purge it can be resumed.
      </p>
      ${facts([
        ['Tenants', plan.tenants.length === 0 ? 'none is linked' : `${plan.tenants.join(', ')}; they stay`],
        ['Apps that may have grants', apps.length === 0 ? 'none is known' : apps.join(', ')],
        ['GDAP relationship', plan.gdapActive ? 'active: end it in Partner Center' : 'not active'],
        ['Persons', number(counts.persons)],
        ['Groups', `${number(counts.groups)} with ${number(counts.members)} memberships`],
        ['Devices', number(counts.devices)],
        ['Licences', number(counts.licenses)],
        ['Open holds', number(counts.openHolds)],
        ['Targets', number(counts.targets)],
        [
          'Can log in to ImmyBot',
          protectedPersons.length === 0 ? 'nobody of them' : protectedPersons.join(', '),
        ],
      ])}
      ${operator ? offboardForm(plan) : nothing}
    </section>`
}

function offboardForm({ entraTenantId: id, name: text }: OffboardPlan): Markup {
  return html`<form class="above" method="post" action="/entra-tenants/${id}/offboard">
    <label class="choice">
      <input type="checkbox" name="revoke" value="yes" /> Take away what our apps may do there, as far as we
      can
    </label>
    <label class="choice">
      <input type="checkbox" name="purge" value="yes" /> Purge: delete all that is stored of it, for good
    </label>
    <label class="above"
      >To purge, type its name <span class="hint">${name(text)}</span>
      <input name="confirm" autocomplete="off" maxlength="1000" />
    </label>
    <button class="danger">Offboard</button>
    <a class="button" href="/entra-tenants/${id}">Cancel</a>
    <p class="hint above">
      The command <code>entra-sync offboard</code> writes an archive of it before, too: --archive FILE.
    </p>
  </form>`
}
