import { html } from 'hono/html'
import type { LinkChange } from '../../consent/links/change.ts'
import type { Move } from '../../consent/links/moves.ts'
import { reasonWords } from '../acts/links.ts'
import { name, nothing, number, table, type Column, type Markup } from './parts.ts'

interface Question {
  title: Markup
  back: string
  action: string
  fields: Record<string, string>
  button: string
}

const columns: Column<Move>[] = [
  { title: 'Persons', right: true, value: ({ persons }) => number(persons) },
  { title: 'From', value: ({ fromTenant }) => name(fromTenant ?? 'no tenant') },
  { title: 'To', value: ({ toTenant }) => name(toTenant ?? 'no tenant') },
  {
    title: 'Such as',
    value: ({ samples, persons }) => name(`${samples.join(', ')}${persons > samples.length ? ', …' : ''}`),
  },
  {
    title: 'Can log in to ImmyBot',
    value: ({ protectedPersons: list }) => (list.length === 0 ? 'nobody' : name(list.join(', '))),
  },
]

/** What a change of links would do, with the button that does it. */
export function linkPreview(
  { changed, moves, parents, reasons }: LinkChange,
  { title, back, action, fields, button }: Question,
): Markup {
  return html`<h1>${title}</h1>
    <p class="sub">Nothing is changed yet. <a href="${back}">Back</a></p>
    <section aria-labelledby="moves">
      <h2 id="moves">Who moves</h2>
      ${table('Persons keep their ids and tags', columns, moves, 'Nobody moves.')}
      ${parents.map(
        ({ tenant, fromParent, toParent }) =>
          html`<p>
            ${name(tenant)}
            ${toParent === null ? 'would have no parent' : html`would be a child of ${name(toParent)}`}
            ${fromParent === null ? nothing : html`(was of ${name(fromParent)})`}.
          </p>`,
      )}
      ${changed ? nothing : html`<p>Everything is like this already.</p>`}
    </section>
    ${
      reasons.length === 0
        ? nothing
        : html`<div class="flash bad" role="alert">
            <p><strong>It wants your confirmation:</strong></p>
            ${reasons.map((reason) => html`<p>${reasonWords[reason]}</p>`)}
          </div>`
    }
    <form class="acts" method="post" action="${action}">
      ${Object.entries({ ...fields, reasons: reasons.join(' ') }).map(
        ([field, value]) => html`<input type="hidden" name="${field}" value="${value}" />`,
      )}
      <button class="${reasons.length === 0 ? 'main' : 'danger'}">
        ${reasons.length === 0 ? button : `${button} all the same`}
      </button>
      <a class="button" href="${back}">Cancel</a>
    </form>`
}
