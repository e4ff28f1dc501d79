import { html } from 'hono/html'
import { z } from 'zod'
import { readProblemPage } from '../../db/open-problems.ts'
import { listSilences, type Silence } from '../../db/silences.ts'
import { parsed, uuid } from '../input.ts'
import { silence, silenceInput, unsilence } from '../acts/silences.ts'
import type { ConsoleContext } from './console-context.ts'
import { act as button, address, day, name, number, pager, table, type Column, type Markup } from './parts.ts'
import { problemItem } from './problem-item.ts'

const perPage = 50
const query = z.object({ page: z.coerce.number().int().min(1).max(100_000).default(1) })

const given = (text: unknown): unknown => (text === '' ? undefined : text)
const silenceForm = z.object({
  code: z.preprocess(given, z.string().optional()),
  entraTenantId: z.preprocess(given, z.string().optional()),
  reason: z.string().optional(),
  until: z.preprocess(given, z.iso.date().optional()),
})
const backForm = z.object({ back: z.literal('entra-tenant'), of: uuid })

/** `/problems`: all that are open, and what is silenced. */
export function addProblemsPage({ deps, page, act }: ConsoleContext): void {
  const { db } = deps
  page('/problems', '/problems', async (context, operator) => {
    const { page: current } = parsed(query, context.req.query())
    const [{ rows, total }, silences] = await Promise.all([
      readProblemPage(db, { limit: perPage, offset: (current - 1) * perPage }),
      listSilences(db),
    ])
    const body = html`<h1>Problems</h1>
      <p class="sub">Proved faults, with who acts and how. They close themselves when they are disproved.</p>
      <section aria-labelledby="open">
        <h2 id="open">${number(total)} open</h2>
        ${
          total === 0
            ? html`<p class="hint">Nothing is wrong.</p>`
            : rows.map((problem) => problemItem(problem, { operator, named: true }))
        }
        ${pager({ page: current, perPage, total }, (to) => address('/problems', { page: to }))}
      </section>
      ${silencesSection(silences, operator)}`
    return { title: 'Problems', body }
  })

  act(
    '/problem-silences',
    (_context, form) => {
      const { data } = backForm.safeParse(form)
      return data === undefined ? '/problems' : `/entra-tenants/${data.of}`
    },
    async (form, context) => {
      const count = await silence(
        deps,
        parsed(silenceInput, parsed(silenceForm, form)),
        context.get('signedIn').name,
      )
      const text = `Silenced: ${count} open ${count === 1 ? 'problem does' : 'problems do'} not count any more.`
      return { tone: 'good', text, more: ['They stay listed; what is silenced stands under Problems.'] }
    },
  )
  act(
    '/problem-silences/:silenceId/remove',
    () => '/problems',
    async (_form, context) => {
      const id = parsed(uuid, context.req.param('silenceId'))
      await unsilence(deps, id, context.get('signedIn').name)
      return { tone: 'good', text: 'The silence is taken back.' }
    },
  )
}

function silencesSection(silences: Silence[], operator: boolean): Markup {
  const columns: Column<Silence>[] = [
    {
      title: 'Problem',
      heading: true,
      value: ({ code }) => (code === null ? 'every problem' : html`<code>${code}</code>`),
    },
    { title: 'Of', value: ({ name: of }) => (of === null ? 'every Entra tenant' : name(of)) },
    { title: 'Until', value: ({ expires_at: at }) => day(at, 'taken back') },
    { title: 'Why', value: ({ reason }) => (reason === '' ? '–' : reason) },
    { title: 'By', value: ({ created_by: by }) => by },
    { title: 'Problems', right: true, value: ({ problems }) => number(problems) },
  ]
  if (operator) {
    columns.push({
      title: 'Act',
      value: ({ silence_id: id, code, name: of }) =>
        button(`/problem-silences/${id}/remove`, 'Take back', {
          kind: 'small',
          label: `Take back the silence of ${code ?? 'every problem'} of ${of ?? 'every Entra tenant'}`,
        }),
    })
  }
  return html`<section aria-labelledby="silences">
    <h2 id="silences">Silenced</h2>
    ${table('They stay open and are listed, but do not count', columns, silences, 'Nothing is silenced.')}
  </section>`
}
