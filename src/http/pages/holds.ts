import { html } from 'hono/html'
import { z } from 'zod'
import { readFreeze, type FleetFreeze } from '../../db/fleet-freeze.ts'
import { readHoldLimits, type HoldLimits } from '../../db/hold-limits.ts'
import { holdHash } from '../../db/holds.ts'
import type { GuardSettings } from '../../guard.ts'
import { approveHold, previewHold, rejectHold } from '../../holds/decide.ts'
import { freezeFleet, unfreezeFleet } from '../../holds/freeze.ts'
import { listHolds, type ListedHold } from '../../holds/list.ts'
import { readHoldSamples } from '../../holds/samples.ts'
import { reasonOfHold, whatOfHold } from '../../holds/words.ts'
import { targetContext } from '../acts/deployments.ts'
import { readHold } from '../acts/holds.ts'
import { parsed } from '../input.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import { holdPage } from './hold.ts'
import { act as button, day, name, nothing, number, table, when, type Column, type Markup } from './parts.ts'

/** Closed ones in the list, the newest; the command line has them all. */
const closedShown = 50
const samplesShown = 25
const tenantsShown = 5

const why = z.object({ reason: z.string().trim().min(1, 'say why').max(500) })
const approval = z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/, 'is no hash of a hold') })

/** `/holds`: what waits for an operator, and the freeze; `/holds/:id`: one of them, to decide on. */
export function addHoldPages({ deps, page, act }: ConsoleContext): void {
  const { db } = deps
  page('/holds', '/holds', async (_context, operator) => {
    const [open, all, freeze, limits] = await Promise.all([
      listHolds(db),
      listHolds(db, { closed: true, limit: closedShown }),
      readFreeze(db),
      readHoldLimits(db),
    ])
    const closed = all.filter(({ status }) => status !== 'open')
    return { title: 'Holds', body: holdsPage({ open, closed, freeze, limits, guard: deps.guard, operator }) }
  })
  page('/holds/:id', '/holds', async (context, operator) => {
    const hold = await readHold(db, idOf(context))
    const [samples, hash, preview, freeze] = await Promise.all([
      readHoldSamples(db, hold, samplesShown),
      holdHash(db, hold.holdId),
      hold.status === 'open' ? previewHold(targetContext(deps), hold.holdId, tenantsShown) : null,
      readFreeze(db),
    ])
    return { title: 'Hold', body: holdPage({ hold, samples, hash, preview, freeze, operator }) }
  })

  act(
    '/holds/:id/approve',
    () => '/holds',
    async (form, context) => {
      const { hash } = parsed(approval, form)
      const by = context.get('signedIn').name
      const done = await approveHold(targetContext(deps), { holdId: idOf(context), hash, by })
      const { persons, computers } = done.effect
      const follows =
        done.frozen === null
          ? `Of the targets, ${number(persons.lose)} persons and ${number(computers.lose)} computers lose some, ${number(persons.gain)} and ${number(computers.gain)} get some.`
          : `The targets are frozen (${done.frozen.replaceAll('_', ' ')}) and follow when they thaw.`
      return { tone: 'good', text: `Approved: ${number(done.applied)} applied.`, more: [follows] }
    },
  )
  act(
    '/holds/:id/reject',
    () => '/holds',
    async (form, context) => {
      const { reason } = parsed(why, form)
      await rejectHold(db, { holdId: idOf(context), by: context.get('signedIn').name, reason })
      const text = 'Rejected: all of it stays as it is, and is not held again for 30 days.'
      return { tone: 'good', text }
    },
  )
  act(
    '/fleet-freeze',
    () => '/holds',
    async (form, context) => {
      const { reason } = parsed(why, form)
      const { settled } = await freezeFleet(db, { by: context.get('signedIn').name, reason })
      return settled
        ? { tone: 'good', text: 'Frozen: nothing is removed and no target unassigned, in any tenant.' }
        : {
            tone: 'bad',
            text: 'Frozen, but what began before it is still at work and may yet remove something.',
          }
    },
  )
  act(
    '/fleet-freeze/end',
    () => '/holds',
    async (_form, context) => {
      const done = await unfreezeFleet(targetContext(deps), context.get('signedIn').name)
      const more =
        done.sets === 0
          ? []
          : [
              `Of ${number(done.sets)} sets that it had kept back: ${number(done.removed)} removed, ${number(done.unassigned)} targets unassigned, ${number(done.held)} sets held by their size.`,
            ]
      return { tone: 'good', text: done.wasFrozen ? 'The freeze has ended.' : 'No freeze was on.', more }
    },
  )
}

function holdsPage(facts: {
  open: ListedHold[]
  closed: ListedHold[]
  freeze: FleetFreeze | null
  limits: HoldLimits[]
  guard: GuardSettings
  operator: boolean
}): Markup {
  const { open, closed, freeze, limits, guard, operator } = facts
  return html`<h1>Holds</h1>
    <p class="sub">
      Changes too large to be believed. Nothing in them happens before somebody decides; what comes back, or
      is wanted no more, leaves by itself.
    </p>
    ${freezeSection(freeze, operator)}
    <section aria-labelledby="open">
      <h2 id="open">Open</h2>
      ${table(`${number(open.length)} kept back`, columns, open, 'Nothing is held.')}
    </section>
    <section aria-labelledby="limits">
      <h2 id="limits">Limits</h2>
      <p>
        A set is held when it is larger than ${number(guard.holdMin)} and than ${guard.holdPercent} % of what
        is there, or than ${number(guard.holdMax)}.
      </p>
      ${table('Entra tenants with limits of their own', limitColumns, limits, 'No Entra tenant has limits of its own.')}
    </section>
    ${
      closed.length === 0
        ? nothing
        : html`<section aria-labelledby="closed">
            <h2 id="closed">Decided lately</h2>
            ${table('The newest first', closedColumns, closed, '')}
          </section>`
    }`
}

/** The freeze that is on, with its end, or the way to begin one. */
function freezeSection(freeze: FleetFreeze | null, operator: boolean): Markup {
  if (freeze !== null) {
    return html`<div class="flash bad" role="alert">
      <p>
        <strong>All removals are frozen</strong>, ${when(freeze.startedAt)},
        ${freeze.startedBy === null ? 'by itself' : html`by ${name(freeze.startedBy)}`}:
        ${name(freeze.reason)}
      </p>
      ${operator ? button('/fleet-freeze/end', 'End the freeze', { kind: 'danger' }) : nothing}
    </div>`
  }
  if (!operator) return nothing
  return html`<details>
    <summary>Freeze all removals …</summary>
    <p>Nothing is removed and no target unassigned, in any tenant, until somebody ends it.</p>
    <form class="acts" method="post" action="/fleet-freeze">
      <label>Why <input name="reason" required maxlength="500" /></label>
      <button class="danger">Freeze</button>
    </form>
  </details>`
}

const whose: Column<ListedHold> = {
  title: 'Whose',
  heading: true,
  value: (hold) => html`<a href="/holds/${hold.holdId}">${name(hold.tenant ?? hold.name)}</a>`,
}

const columns: Column<ListedHold>[] = [
  whose,
  { title: 'What would happen', value: (hold) => name(whatOfHold(hold)) },
  { title: 'Why held', value: (hold) => name(reasonOfHold(hold)) },
  { title: 'Since', value: ({ createdAt }) => when(createdAt) },
]

const closedColumns: Column<ListedHold>[] = [
  whose,
  { title: 'What', value: (hold) => name(whatOfHold(hold)) },
  { title: 'State', value: ({ status }) => status },
  { title: 'When', value: ({ closedAt }) => when(closedAt) },
  { title: 'By', value: ({ closedBy }) => (closedBy === null ? 'itself' : name(closedBy)) },
  { title: 'Why', value: ({ closeReason }) => (closeReason === null ? '–' : name(closeReason)) },
]

const limitColumns: Column<HoldLimits>[] = [
  {
    title: 'Entra tenant',
    heading: true,
    value: ({ entraTenantId: id }) => html`<a href="/entra-tenants/${id}"><code>${id}</code></a>`,
  },
  { title: 'Min', right: true, value: ({ holdMin }) => holdMin ?? '–' },
  { title: 'Per cent', right: true, value: ({ holdPercent }) => holdPercent ?? '–' },
  { title: 'Max', right: true, value: ({ holdMax }) => holdMax ?? '–' },
  { title: 'Until', value: ({ expiresAt }) => day(expiresAt, 'lasting') },
  { title: 'By', value: ({ setBy }) => name(setBy) },
  { title: 'Why', value: ({ reason }) => (reason === '' ? '–' : name(reason)) },
]
