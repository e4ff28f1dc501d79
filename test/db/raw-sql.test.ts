import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../src/', import.meta.url)

/**
 * What is put into SQL as text: `sql.raw`, `sql.lit` and `CompiledQuery.raw`, which take whatever they are given. Each
 * is a constant of our own code (a column's name, a condition written beside it); a new one is entered here after
 * somebody has looked where its text comes from.
 */
const allowed: Record<string, string[]> = {
  'consent/offboard/archive.ts': ['lit(batch)'],
  'db/cursors.ts': ["raw(table === 'persons' ? 'and object_id is not null' : '')"],
  'db/merge.ts': [
    "raw(cleared.join(', '))",
    "raw(columns.map((c) => `${c.name} ${c.type}`).join(', '))",
    "raw(columns.map((c) => `${c.name} = excluded.${c.name}`).join(', '))",
    "raw(columns.map((c) => `excluded.${c.name}`).join(', '))",
    "raw(columns.map((c) => `t.${c.name}`).join(', '))",
    "raw(columns.map((c, bit) => wantedValue(c, bit, fullRoundId !== null)).join(', '))",
    "raw(columns.map((column) => column.name).join(', '))",
    'raw(counts)',
    "raw(sets.join(', '))",
    "raw(table.keepsDeleted ? ', deleted_at = null' : '')",
    "raw(table.keepsDeleted ? 'and (p.deleted_at is null or i.bits = 0)' : '')",
    "raw(table.keepsDeleted ? 'and deleted_at is null' : '')",
    "raw(table.keepsDeleted ? 'and p.deleted_at is null' : '')",
    "raw(table.keepsDeleted ? 'array(select object_id from before where deleted_at is not null)' : `'{}'::uuid[]`)",
    "raw(table.keepsDeleted ? 'or t.deleted_at is not null' : '')",
  ],
  'db/removals.ts': [
    'raw(condition)',
    'raw(rows.from)',
    'raw(rows.from)',
    'raw(rows.from)',
    'raw(rows.from)',
    'raw(rows.kept)',
    'raw(rows.key)',
    'raw(rows.key)',
    'raw(rows.live)',
    'raw(rows.live)',
    'raw(rows.live)',
    'raw(rows.live)',
    'raw(rows.match)',
    'raw(rows.match)',
    'raw(rows.match)',
    'raw(rows.remove)',
    'raw(rows.swept)',
    'raw(spared)',
  ],
  'targets/imports/persons.ts': [
    "raw(`jsonb_build_object(${handMade.map((name) => `'${name}', p.${name}`).join(', ')})`)",
    'raw(columns)',
    'raw(columns)',
    "raw(handMade.map((name) => `, ${name} = case when p.object_id is null then x.${name} else p.${name} end`).join(''))",
    'raw(typed)',
  ],
  'targets/resolve/deployments.ts': [
    'lit(key)',
    'lit(key)',
    "raw( ['deployment_id', 'item_id', 'scope', 'target_type', 'rank', 'desired_state', 'created_at', 'filters'] .map((name) => `d.${name}`) .join(', '), )",
    "raw( `case d.target_type ${Object.entries(types) .map(([type, rank]) => `when '${type}' then ${rank}`) .join(' ')} end`, )",
  ],
  'targets/resolve/guard.ts': [
    "raw('after')",
    "raw('before')",
    "raw('c.tenant_before')",
    "raw('c.tenant_id')",
  ],
  'targets/resolve/reached.ts': ['lit(0)', 'lit(1)', 'lit(2)', 'lit(3)', "lit(side === 'exclude')"],
  'targets/resolve/tables.ts': [
    "raw( `set local client_min_messages = warning; set local work_mem = '${workMemory}'; set local jit = off; ${[...creates, ...indexes, truncate].join('; ')}`, )",
    "raw(`analyze ${names.join(', ')}`)",
  ],
}

/** The arguments of each use, as they are written; parentheses are counted, since templates hold some. */
function uses(text: string): string[] {
  const found: string[] = []
  for (const { 0: call, index } of text.matchAll(
    /\b(?:sql\s*\.\s*(?:raw|lit)|CompiledQuery\s*\.\s*raw)\b/g,
  )) {
    let depth = 0
    let end = index + call.length
    do {
      if (text[end] === '(') depth += 1
      if (text[end] === ')') depth -= 1
      end += 1
    } while (depth > 0 && end < text.length)
    const name = call.replaceAll(/\s/g, '').replace('sql.', '')
    found.push(`${name}${text.slice(index + call.length, end)}`.replaceAll(/\s+/g, ' '))
  }
  return found.toSorted()
}

test('what is put into SQL as text stands in a list, place by place', () => {
  const found: Record<string, string[]> = {}
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (!file.endsWith('.ts')) continue
    const places = uses(readFileSync(new URL(file, root), 'utf8'))
    if (places.length > 0) found[file] = places
  }
  expect(found).toEqual(allowed)
})

test('the search sees each way of writing it', () => {
  expect(
    uses('sql`a ${sql.raw(x)}`; sql.lit(f(1)); sql\n  .raw(`(${y})`); CompiledQuery.raw(z); raw(q)'),
  ).toEqual(['CompiledQuery.raw(z)', 'lit(f(1))', 'raw(`(${y})`)', 'raw(x)'])
})
