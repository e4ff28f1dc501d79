import { catalogue, namesOf, retryText, whoText, type CatalogueEntry } from './catalogue.ts'

const sources: Readonly<Record<CatalogueEntry['source'], string>> = {
  entra_login: 'Entra sign-in and consent (AADSTS)',
  graph: 'Microsoft Graph',
  partner_center: 'Partner Center',
  entra_sync: "entra-sync's own",
}

/** The catalogue as docs/errors.md. */
export function catalogueMarkdown(): string {
  const parts = Object.entries(sources).map(([source, title]) => {
    const rows = catalogue.filter((entry) => entry.source === source).map(row)
    return `## ${title}\n\n| Error | Code | Meaning | What to do | Who acts | Trying again |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `${head}\n${parts.join('\n')}`
}

const head = `# Errors

<!-- Made by \`npm run docs:errors\` from src/error-catalogue/. Edit there. -->

What Microsoft's errors mean here, who must act, and what to do. \`entra-sync errors\` prints the same with this
installation's redirect URI filled in, \`entra-sync errors AADSTS50011\` one entry. *Code* is what problems, logs, metrics
and alerts carry; *you* are the MSP that runs entra-sync. \`{redirectUri}\` is \`PUBLIC_URL/consent-callback\`.
`

function row(entry: CatalogueEntry): string {
  const names = namesOf(entry)
    .map((name) => `\`${name}\``)
    .join(' ')
  const cells = [
    names,
    `\`${entry.code}\``,
    entry.what,
    entry.remedy,
    whoText[entry.whoActs],
    retryText[entry.retry],
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
