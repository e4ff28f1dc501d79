import {
  catalogue,
  fillRemedy,
  findEntries,
  redirectUriOf,
  namesOf,
  retryText,
  whoText,
  type CatalogueEntry,
} from '../error-catalogue/catalogue.ts'
import type { CommandContext, Output } from './context.ts'
import { tableLines } from './table.ts'
import { printable } from './text.ts'

/** `errors [CODE|AADSTSnnn]`: the catalogue, or what one code means here; needs no database. */
export async function errors(context: CommandContext, wanted: string | undefined): Promise<number> {
  const { output, config } = context
  const facts = {
    redirectUri: redirectUriOf(config.http.publicUrl),
    clientId: config.defaultApp?.clientId,
  }
  const entries = (wanted === undefined ? catalogue : findEntries(wanted)).map((entry) => ({
    ...entry,
    remedy: fillRemedy(entry, facts),
  }))
  if (entries.length === 0) return unknown(output, wanted ?? '')
  output.document(wanted === undefined ? { entries } : { wanted, entries })
  if (wanted === undefined) printAll(output, entries)
  else for (const entry of entries) printOne(output, entry)
  return 0
}

function unknown(output: Output, wanted: string): number {
  const text = `No error is known as "${printable(wanted)}".`
  const remedy =
    'entra-sync errors lists all; https://login.microsoftonline.com/error explains any AADSTS number.'
  output.notice(`entra-sync: ${text} ${remedy}`)
  output.document({ error: { kind: 'input', code: 'error_unknown', message: text, remedy } })
  return 2
}

function printAll(output: Output, entries: CatalogueEntry[]): void {
  const lines = tableLines(
    [
      { title: 'Code', value: ({ code }) => code },
      { title: 'Who acts', value: ({ whoActs }) => whoText[whoActs] },
      { title: 'Meaning', value: ({ what }) => what },
      { title: 'Of', value: (entry) => namesOf(entry).join(' ') },
    ],
    entries,
    output.width,
  )
  for (const line of lines) output.line(line)
  output.line('\n`entra-sync errors CODE` tells what to do.')
}

function printOne(output: Output, entry: CatalogueEntry): void {
  const names = namesOf(entry).join(', ')
  output.line(`${entry.code}${names === '' ? '' : ` (${names})`}`)
  output.line(`  Meaning   ${entry.what}`)
  output.line(`  Do        ${entry.remedy}`)
  output.line(`  Who acts  ${whoText[entry.whoActs]}`)
  output.line(`  Retrying  ${retryText[entry.retry]}`)
}
