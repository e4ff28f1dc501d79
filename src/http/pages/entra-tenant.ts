import { html } from 'hono/html'
import {
  readConsent,
  readLinks,
  readRelationships,
  readRuns,
  requireEntraTenant,
} from '../../db/entra-tenant-facts.ts'
import { readProblemPage, type OpenProblem } from '../../db/open-problems.ts'
import { readHolds, readStatus, type Status } from '../../db/status.ts'
import { viewLevel } from '../acts/permission-level.ts'
import { consentSection } from './consent-section.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import { holdsSection, linksSection, relationshipsSection, runsSection } from './entra-tenant-parts.ts'
import { levelSection } from './level-section.ts'
import { act, due, facts, name, nothing, number, when, type Markup } from './parts.ts'
import { problemItem } from './problem-item.ts'
import { stateOf } from './words.ts'

const runsShown = 15

/** `/entra-tenants/:id`: everything of one Entra tenant, with the acts that an operator has. */
export function addEntraTenantPage({ deps, page }: ConsoleContext): void {
  const { db } = deps
  page('/entra-tenants/:id', '/', async (context, operator) => {
    const id = idOf(context)
    const title = await requireEntraTenant(db, id)
    const [[status], { links, domains }, consent, relationships, runs, problems, holds, level] =
      await Promise.all([
        readStatus(db, id),
        readLinks(db, id),
        readConsent(db, id),
        readRelationships(db, id),
        readRuns(db, id, runsShown),
        readProblemPage(db, { entraTenantId: id, limit: 100 }),
        readHolds(db, id),
        viewLevel(deps, id),
      ])
    if (status === undefined) throw new TypeError('tenant_status lacks an Entra tenant')
    const body = html`<h1>${name(title)} ${stateOf(status.state)}</h1>
      <p class="sub">${status.default_domain ?? 'domain not read yet'} · <code>${id}</code></p>
      ${operator ? acts(status) : nothing} ${problemsSection(problems.rows, operator)}
      <div class="columns">
        ${syncSection(status)} ${linksSection(links, domains)}
        ${consentSection({ consent, level, status, operator })}
      </div>
      ${levelSection({ entraTenantId: id, level, operator })} ${relationshipsSection(relationships)}
      ${holdsSection(holds)} ${runsSection(runs)}
      <p>
        <a href="/audit?entraTenant=${id}">What operators did here</a>
      </p>`
    return { title, body }
  })
}

function acts({ entra_tenant_id: id, state, kind, scheduled }: Status): Markup {
  const path = `/entra-tenants/${id}`
  const resumable = state === 'paused' || state === 'offboarded'
  return html`<div class="acts">
    ${scheduled ? syncActs(path) : nothing}
    ${resumable ? act(`${path}/resume`, 'Resume') : act(`${path}/pause`, 'Pause')}
    ${kind === 'customer' ? html`<a class="button" href="/customers/${id}/detach">Detach …</a>` : nothing}
    ${state === 'gone' ? nothing : html`<a class="button" href="/entra-tenants/${id}/offboard">Offboard …</a>`}
  </div>`
}

const syncActs = (path: string): Markup =>
  html`${act(`${path}/sync`, 'Sync now', { fields: { mode: 'delta' }, kind: 'main' })}
  ${act(`${path}/sync`, 'Read in full', { fields: { mode: 'full' } })}`

function problemsSection(problems: OpenProblem[], operator: boolean): Markup {
  if (problems.length === 0) return nothing
  return html`<section aria-labelledby="problems">
    <h2 id="problems">Open problems</h2>
    ${problems.map((problem) => problemItem(problem, { operator, named: false }))}
  </section>`
}

function syncSection(status: Status): Markup {
  const { users, groups, teams, members, devices, skus } = status
  const partner = status.kind === 'customer' ? 'customer, reached through its partner' : status.kind
  return html`<section aria-labelledby="sync">
    <h2 id="sync">Sync</h2>
    ${facts([
      ['Kind', partner],
      ['Last sync', when(status.last_synced_at)],
      ['Read in full', when(status.last_full_at)],
      ['Next sync', status.scheduled ? due(status.next_sync_at) : 'none: not scheduled'],
      ['Failures running', number(status.consecutive_failures)],
      ['Users', number(users)],
      ['Groups', `${number(groups)}, ${number(teams)} of them Teams`],
      ['Memberships', number(members)],
      ['Devices', number(devices)],
      ['SKUs', number(skus)],
    ])}
  </section>`
}
