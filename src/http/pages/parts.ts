import { html } from 'hono/html'

/** A piece of a page: text in it is escaped by `html`. */
export type Markup = ReturnType<typeof html>
export type Content = Markup | string | number

export type Tone = 'good' | 'warn' | 'bad' | 'mute'

export const nothing: Markup = html``

/** A short state, told by its words and, besides, by its colour. */
export function pill(tone: Tone, text: string): Markup {
  return html`<span class="pill ${tone}">${text}</span>`
}

/** Text of a directory, whose direction of writing must not spread to what is around it. */
export function name(text: string): Markup {
  return html`<bdi>${text}</bdi>`
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'long' })
const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** A moment as `5 minutes ago` or `in 3 days`, exactly in its title; `never` for null. */
export function when(at: Date | null, never = 'never', now = Date.now()): Markup {
  if (at === null) return html`<span class="hint">${never}</span>`
  const away = at.getTime() - now
  if (Math.abs(away) < 1000) return html`<time class="nowrap" datetime="${at.toISOString()}">just now</time>`
  const [unit, ms] = units.find(([, ms]) => Math.abs(away) >= ms) ?? ['second', 1000]
  const iso = at.toISOString()
  return html`<time class="nowrap" datetime="${iso}" title="${iso}"
    >${relative.format(Math.trunc(away / ms), unit)}</time
  >`
}

/** When something scheduled is due: what has come already is due now. */
export function due(at: Date): Content {
  return at.getTime() <= Date.now() ? 'due now' : when(at)
}

/** A day, as it is written in the portal's lists. */
export function day(at: Date | null, unknown = 'not known'): Markup {
  if (at === null) return html`<span class="hint">${unknown}</span>`
  const iso = at.toISOString()
  return html`<time class="nowrap" datetime="${iso}" title="${iso}">${iso.slice(0, 10)}</time>`
}

export function facts(list: readonly (readonly [title: string, value: Content])[]): Markup {
  return html`<dl class="facts">
    ${list.map(
      ([title, value]) =>
        html`<dt>${title}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`
}

export interface Column<Row> {
  title: string
  value: (row: Row) => Content
  right?: boolean
  /** The column that names the row. */
  heading?: boolean
}

/** A table that scrolls by itself where it is too wide; `empty` in its place where there are no rows. */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  empty: Content,
): Markup {
  if (rows.length === 0) return html`<p class="hint">${empty}</p>`
  const head = columns.map(
    ({ title, right }) => html`<th scope="col" class="${right ? 'right' : ''}">${title}</th>`,
  )
  const cells = (row: Row) =>
    columns.map(({ value, right, heading }) =>
      heading
        ? html`<th scope="row">${value(row)}</th>`
        : html`<td class="${right ? 'right' : ''}">${value(row)}</td>`,
    )
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${cells(row)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

/** A button that posts to `action`; `label` says for whom it is where many are alike. */
export function act(
  action: string,
  text: string,
  options: { fields?: Record<string, string>; kind?: string; label?: string } = {},
): Markup {
  const { fields = {}, kind = '', label } = options
  return html`<form class="inline" method="post" action="${action}">
    ${Object.entries(fields).map(
      ([field, value]) => html`<input type="hidden" name="${field}" value="${value}" />`,
    )}
    <button class="${kind}" ${label === undefined ? nothing : html`aria-label="${label}"`}>${text}</button>
  </form>`
}

export interface Paging {
  page: number
  perPage: number
  total: number
}

/** Which rows are shown and the way to the others; `href` gives the address of a page, from 1. */
export function pager({ page, perPage, total }: Paging, href: (page: number) => string): Markup {
  if (total <= perPage && page === 1) return nothing
  const first = (page - 1) * perPage + 1
  const last = Math.min(page * perPage, total)
  return html`<nav class="pages" aria-label="Pages">
    ${page > 1 ? html`<a rel="prev" href="${href(page - 1)}">Previous</a>` : nothing}
    <span>${first > total ? 'nothing here' : `${number(first)} to ${number(last)} of ${number(total)}`}</span>
    ${last < total ? html`<a rel="next" href="${href(page + 1)}">Next</a>` : nothing}
  </nav>`
}

export function number(value: number): string {
  return value.toLocaleString('en')
}

/** An address with the parameters that have a value. */
export function address(path: string, query: Record<string, string | number | undefined>): string {
  const given = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') given.set(key, String(value))
  }
  const text = given.toString()
  return text === '' ? path : `${path}?${text}`
}
