import { html } from 'hono/html'
import type { LinkRow, RelationshipRow, RunRow } from '../../db/entra-tenant-facts.ts'
import type { Hold } from '../../db/status.ts'
import { day, name, nothing, number, pill, table, when, type Column, type Markup } from './parts.ts'
import { outcomeOf } from './words.ts'

export function linksSection(links: LinkRow[], domains: string[]): Markup {
  return html`<section aria-labelledby="links">
    <h2 id="links">Linked tenants</h2>
    ${table(
      'Who gets the persons of this Entra tenant',
      [
        {
          title: 'Tenant',
          heading: true,
          value: (row: LinkRow) => html`<a href="/tenants/${row.tenantId}">${name(row.name)}</a>`,
        },
        {
          title: 'Persons',
          value: ({ domain }: LinkRow) =>
            domain === null ? 'all that no domain below takes' : html`of <code>${domain}</code>`,
        },
      ],
      links,
      'No tenant is linked: its persons belong to nobody yet.',
    )}
    <h3>Domains</h3>
    ${
      domains.length === 0
        ? html`<p class="hint">Not read yet: they come with the first sync.</p>`
        : html`<p>
            ${domains.map((domain, index) => html`${index === 0 ? '' : ', '}<code>${domain}</code>`)}
          </p>`
    }
  </section>`
}

const relationshipColumns: Column<RelationshipRow>[] = [
  { title: 'Relationship', heading: true, value: (row) => name(row.displayName ?? row.relationshipId) },
  { title: 'Partner', value: ({ partner }) => name(partner) },
  {
    title: 'Status',
    value: ({ status, missingSince }) => html`
      ${pill(status === 'active' ? 'good' : 'mute', status)}
      ${missingSince === null ? nothing : html`<span class="note">not listed since ${day(missingSince)}</span>`}
    `,
  },
  { title: 'Ends', value: ({ endsAt }) => day(endsAt) },
  { title: 'Extends by itself', value: ({ autoExtends }) => (autoExtends ? 'yes' : 'no') },
  {
    title: 'Roles',
    value: ({ roles }) =>
      roles.length === 0
        ? '–'
        : html`<details>
            <summary>${roles.length}</summary>
            ${roles.map((role) => html`<code class="note">${role}</code>`)}
          </details>`,
  },
]

export function relationshipsSection(relationships: RelationshipRow[]): Markup {
  if (relationships.length === 0) return nothing
  return html`<section aria-labelledby="gdap">
    <h2 id="gdap">GDAP relationships</h2>
    ${table('As the partners list them', relationshipColumns, relationships, '')}
  </section>`
}

const holdColumns: Column<Hold>[] = [
  { title: 'Kind', heading: true, value: ({ kind }) => kind },
  { title: 'What', value: ({ what }) => what ?? '' },
  { title: 'Held', right: true, value: (row) => `${number(row.size)} of ${number(row.of_total)}` },
  { title: 'Reason', value: ({ reason }) => reason },
  { title: 'Since', value: ({ created_at: at }) => when(at) },
  { title: 'Hold', value: ({ hold_id: id }) => html`<a href="/holds/${id}">Decide</a>` },
]

export function holdsSection(holds: Hold[]): Markup {
  if (holds.length === 0) return nothing
  return html`<section aria-labelledby="holds">
    <h2 id="holds">Holds</h2>
    ${table('Changes that wait: none of them is made meanwhile', holdColumns, holds, '')}
  </section>`
}

const runColumns: Column<RunRow>[] = [
  { title: 'Started', heading: true, value: ({ startedAt }) => when(startedAt) },
  { title: 'Took', right: true, value: took },
  { title: 'Mode', value: ({ mode }) => mode },
  { title: 'Asked by', value: ({ trigger }) => trigger.join(', ') },
  { title: 'Outcome', value: ({ outcome }) => outcomeOf(outcome) },
  { title: 'Requests', right: true, value: ({ requests }) => number(requests) },
  {
    title: 'Error',
    value: ({ errorCode, errorMessage, requestId }) =>
      errorCode === null
        ? '–'
        : html`<code>${errorCode}</code>
            <span class="note">${errorMessage}</span>
            ${requestId === null ? nothing : html`<span class="note">request ${requestId}</span>`}`,
  },
]

export function runsSection(runs: RunRow[]): Markup {
  return html`<section aria-labelledby="runs">
    <h2 id="runs">Last runs</h2>
    ${table('The newest first', runColumns, runs, 'It was never synced.')}
  </section>`
}

function took({ startedAt, finishedAt }: RunRow): string {
  if (finishedAt === null) return '–'
  const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000
  return seconds < 90 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`
}
