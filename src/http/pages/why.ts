import { html } from 'hono/html'
import { z } from 'zod'
import { EntraSyncError } from '../../errors.ts'
import {
  explain,
  findItem,
  type Explained,
  type ExplainedItem,
  type Explanation,
} from '../../targets/explain/explain.ts'
import { readSubject } from '../../targets/explain/subject.ts'
import { notesOf, verdictText } from '../../targets/explain/texts.ts'
import { readPersonDetail, type PersonDetail } from '../../targets/listing.ts'
import { wantedText } from '../../targets/words.ts'
import { parsed } from '../input.ts'
import { idOf, type ConsoleContext } from './console-context.ts'
import { facts, name, nothing, pill, table, type Column, type Markup } from './parts.ts'

const query = z.object({ item: z.string().max(300).default('') })

/** `/persons/:id` and `/computers/:id`: what one gets and why, and on request why not. */
export function addWhyPages({ deps, page }: ConsoleContext): void {
  for (const kind of ['person', 'computer'] as const) {
    const here = `/${kind}s`
    page(`${here}/:id`, here, async (context) => {
      const { item: text } = parsed(query, context.req.query())
      const subject = await readSubject(deps.db, idOf(context))
      if (subject === null || subject.kind !== kind) {
        throw new EntraSyncError('not_found', `There is no such ${kind}.`, {
          code: 'subject_unknown',
          remedy: 'Search for it by its name.',
        })
      }
      const item = text.trim() === '' ? null : await findItem(deps.db, text)
      const [explanation, detail] = await Promise.all([
        explain(deps, subject, item?.itemId ?? null),
        kind === 'person' ? readPersonDetail(deps.db, subject.id) : null,
      ])
      const body = html`<h1>${name(subject.name)}</h1>
        <p class="sub">
          ${subject.tenant === null ? 'of no tenant' : html`of ${name(subject.tenant)}`},
          <code>${subject.id}</code>
        </p>
        ${detail === null ? nothing : personSection(explanation, detail)}
        <section aria-labelledby="why">
          <h2 id="why">What it gets, and why</h2>
          <form class="search" method="get" action="${here}/${subject.id}" role="search">
            <label
              >Why, or why not
              <input
                type="search"
                name="item"
                value="${text}"
                maxlength="300"
                placeholder="name of an item"
              />
            </label>
            <button>Ask</button>
            ${text === '' ? nothing : html`<a href="${here}/${subject.id}">Show all it gets</a>`}
          </form>
          ${text !== '' && item === null ? html`<p>There is no maintenance item ${name(text)}.</p>` : whyOf(explanation)}
        </section>`
      return { title: subject.name, body }
    })
  }
}

function whyOf(explanation: Explanation): Markup {
  const { items, primaryUser, wins, subject } = explanation
  return html`${notesOf(explanation).map((note) => html`<p>${name(note)}</p>`)}
  ${items.length === 0 ? html`<p>No deployment reaches it. Ask for an item to see why not.</p>` : nothing}
  ${items.map((item) => itemPart(item, wins.find(({ itemId }) => itemId === item.itemId)?.through === 'person'))}
  ${
    subject.kind === 'person'
      ? nothing
      : primaryUser === null
        ? html`<p>
            ${subject.primaryUser === null ? 'It has no primary user.' : html`Its primary user ${name(subject.primaryUser)} is nobody in this tenant's directory.`}
          </p>`
        : html`<h3>
              Through its primary user,
              <a href="/persons/${primaryUser.subject.id}">${name(primaryUser.subject.name)}</a>
            </h3>
            ${whyOf(primaryUser)}`
  }`
}

function itemPart(item: ExplainedItem, throughUser: boolean): Markup {
  const winner = item.deployments.find(({ verdict }) => verdict.is === 'wins')
  const has =
    winner === undefined
      ? `${item.item}: not deployed here`
      : wantedText(item.item, winner.version, winner.desiredState)
  return html`<h3>
      ${name(has)} ${winner === undefined ? nothing : pill('mute', winner.enforcement.replace('_', ' '))}
      ${item.held === null ? nothing : pill('warn', 'a change of it is held')}
      ${throughUser ? pill('mute', "its primary user's target wins") : nothing}
    </h3>
    ${table(`Deployments of ${item.item}`, columns, item.deployments, '')}`
}

const columns: Column<Explained>[] = [
  {
    title: 'Deployment',
    heading: true,
    value: (one) => html`<a href="/deployments/${one.deploymentId}">${name(one.name)}</a>`,
  },
  {
    title: 'What became of it',
    value: (one) =>
      html`${one.verdict.is === 'wins' ? pill('good', 'wins') : nothing}
      ${name(verdictText(one).replace(/^wins: /, ''))}`,
  },
]

function personSection({ subject }: Explanation, detail: PersonDetail): Markup {
  return html`<section aria-labelledby="person">
    <h2 id="person">Person</h2>
    ${facts([
      ['Account', subject.enabled === false ? 'disabled' : 'enabled'],
      ['Kind', subject.userType ?? 'Member'],
      ['Mail', detail.mail ?? '–'],
      ['Department', subject.department ?? '–'],
      ['Tags', subject.tags.join(', ') || 'none'],
      ['Groups', detail.groups.map((group) => group.name ?? 'without a name').join(', ') || 'none'],
      [
        'Licences',
        detail.licenses
          .map(
            ({ product, sku, assignedBy, switchedOff }) =>
              `${product ?? sku}${assignedBy.length > 0 ? `, by ${assignedBy.join(' and ')}` : ''}${switchedOff > 0 ? `, ${switchedOff} plans switched off` : ''}`,
          )
          .join('; ') || 'none',
      ],
      ['Entra object', detail.objectId ?? 'made by hand; no sync has found it yet'],
    ])}
  </section>`
}
