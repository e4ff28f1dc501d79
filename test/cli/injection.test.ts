import { CommanderError, type Command } from 'commander'
import { sql, type Kysely } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { explainFailure } from '../../src/cli/failure.ts'
import { commandLine, type Perform } from '../../src/command-line/program.ts'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import { testDatabase } from '../harness/database.ts'
import { contoso, drainedGroup } from '../holds/world.ts'
import { addFleet } from '../http/console/fleet.ts'

const injections = [
  `'; drop table canary; --`,
  `') or 1=1; update canary set text = 'sung' --`,
  `%_\\`,
  `__proto__`,
  `../../etc/passwd`,
  `$(touch canary)\u001b[2J\r\nlevel=50`,
]

// These run until they are stopped, or make databases of their own.
const notHere = ['run', 'demo', 'migrate', 'doctor']

/** Commands that do something themselves, with the words that lead to them. */
function leaves(command: Command, words: string[] = []): { words: string[]; command: Command }[] {
  if (command.commands.length > 0)
    return command.commands.flatMap((each) => leaves(each, [...words, each.name()]))
  return [{ words, command }]
}

/** Every way of a command to be given a text: in each argument and each option that takes one, all else as it should be. */
function callsOf(words: string[], command: Command, text: string): string[][] {
  const given = (at: string): string[] => [
    ...words,
    // A value of its own for an option, so that a text beginning with a dash is one.
    ...command.options
      .filter((option) => option.mandatory || option.long === at)
      .map((option) => `${option.long}=${option.long === at ? text : (option.argChoices?.[0] ?? contoso)}`),
    '--',
    ...command.registeredArguments.map((argument) => (argument.name() === at ? text : contoso)),
  ]
  const places = [
    ...command.registeredArguments.map((argument) => argument.name()),
    ...command.options.filter((option) => option.required || option.optional).map(({ long }) => long ?? ''),
  ]
  return places.map(given)
}

test('no text in any argument or option of a command is anything but a text', async () => {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { db } = database
  await addFleet(db, 3)
  await drainedGroup(db)
  await sql`create table public.canary (text text)`.execute(db)
  await sql`insert into public.canary values ('sits')`.execute(db)
  const tables = await tablesOf(db)
  const nowhere = 'https://127.0.0.1:9'
  const config = loadConfig({
    DATABASE_URL: database.url,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: nowhere,
    GRAPH_URL: nowhere,
    PARTNER_CENTER_URL: nowhere,
  })

  let written: string[] = []
  let failure: ReturnType<typeof explainFailure> | null = null
  const output = {
    json: false,
    width: null,
    line: (line = '') => void written.push(line),
    notice: (line: string) => void written.push(line),
    document: () => {},
  }
  const perform: Perform = async (_json, action) => {
    try {
      await action({
        config,
        log: createLog({ level: 'silent', pretty: false }),
        signal: AbortSignal.timeout(20_000),
        output,
      })
    } catch (error) {
      failure = explainFailure(error)
    }
  }
  const met = { done: 0, refused: 0, wrong: 0 }
  for (const { words, command } of leaves(commandLine(perform))) {
    if (notHere.includes(words[0] ?? '')) continue
    for (const text of injections) {
      for (const call of callsOf(words, command, text)) {
        written = []
        failure = null
        const program = commandLine(perform)
        for (const each of [program, ...leaves(program).map((leaf) => leaf.command), ...program.commands])
          each.exitOverride().configureOutput({ writeOut: output.line, writeErr: output.line })
        try {
          await program.parseAsync(call, { from: 'user' })
          met[failure === null ? 'done' : 'refused']++
        } catch (error) {
          if (!(error instanceof CommanderError)) throw error
          met.wrong++
        }
        const said = failure as ReturnType<typeof explainFailure> | null
        // A failure that nobody foresaw is a fault of ours.
        expect({ call, said: said?.text ?? '', unexpected: said?.unexpected }).toEqual({
          call,
          said: said?.text ?? '',
          unexpected: undefined,
        })
        expect({ call, told: /syntax error at or near|node_modules/.test(written.join('\n')) }).toEqual({
          call,
          told: false,
        })
      }
    }
  }
  const { rows } = await sql`select * from public.canary`.execute(db)
  expect(rows).toEqual([{ text: 'sits' }])
  expect(await tablesOf(db)).toEqual(tables)
  expect(met.refused).toBeGreaterThan(200)
  expect(met.done).toBeGreaterThan(20)
})

async function tablesOf(db: Kysely<Database>): Promise<unknown[]> {
  const { rows } = await sql`
    select table_schema, table_name, column_name, data_type from information_schema.columns
    where table_schema in ('public', 'entra_sync') order by 1, 2, 3`.execute(db)
  return rows
}
