import { expect, test } from 'vitest'
import { knownMigrations } from '../../src/db/migrate.ts'

/** From here on each migration says whether the version before it works on. */
const first = 20

/** Statements that take nothing from code that does not know of them. */
const additive = [
  /^create (unique )?index /,
  /^create (table|view|type|trigger|function|sequence) /,
  /^create or replace (view|function) /,
  /^comment on /,
  /^insert into /,
  /^alter table \S+( add column \S+ (?!.*\bnot null\b(?!.*\bdefault\b))[^;]*)+$/,
]

const migrations = (await knownMigrations()).filter(({ version }) => version >= first)

test.each(migrations)('$version $name says whether the version before it works on with it', ({ text }) => {
  expect(text.split('\n', 1)[0]).toMatch(/^-- (compatible|breaking): .{10,}/)
})

test.each(migrations.filter(({ compatible }) => compatible))(
  '$version $name, which is marked compatible, only adds',
  ({ text }) => {
    const statements = statementsOf(text)
    expect(statements.length).toBeGreaterThan(0)
    expect(statements.filter((statement) => !additive.some((form) => form.test(statement)))).toEqual([])
  },
)

test.each([
  ['alter table x drop column y', false],
  ['alter table x add column y int not null', false],
  ['alter table x add column y int not null default 0', true],
  ['alter table x rename to z', false],
  ['drop view x', false],
  ['alter table x alter column y type text', false],
  ['update x set y = 1', false],
])('%s adds only: %s', (statement, expected) => {
  expect(statementsOf(statement).every((one) => additive.some((form) => form.test(one)))).toBe(expected)
})

/** Without comments, texts and bodies of functions, each in one line and lower case. */
function statementsOf(text: string): string[] {
  return text
    .replace(/\$(\w*)\$[\s\S]*?\$\1\$/g, "''")
    .replace(/--.*$/gm, '')
    .replace(/'(?:[^']|'')*'/g, "''")
    .split(';')
    .map((statement) => statement.trim().replace(/\s+/g, ' ').toLowerCase())
    .filter((statement) => statement !== '')
}
