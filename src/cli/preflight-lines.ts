import type { CustomerPreflight, Preflight, Requirement } from '../consent/preconsent/preflight.ts'
import { tableLines } from './table.ts'
import { printable } from './text.ts'

/** A pre-flight for people: the partner's part, a table of customers, and beside each thing that is missing what to do. */
export function preflightLines(preflights: Preflight[], width: number | null): string[] {
  return preflights.flatMap((one, index) => [
    ...(index === 0 ? [] : ['']),
    `${printable(one.partnerName)}, app ${one.clientId}, user ${printable(one.userName ?? 'none')}:`,
    ...one.requirements.flatMap((requirement) => requirementLines(requirement)),
    '',
    ...tableLines<CustomerPreflight>(
      [
        { title: 'Customer', value: ({ name }) => name },
        { title: 'Entra tenant', value: ({ entraTenantId }) => entraTenantId },
        { title: 'Ready', value: ({ ready }) => (ready && one.ready ? 'yes' : 'no') },
        { title: 'Missing', value: missingOf },
      ],
      one.customers,
      width,
    ),
    ...one.customers
      .filter(({ ready }) => !ready)
      .flatMap(({ name, requirements }) => [
        '',
        `${printable(name)}:`,
        ...requirements
          .filter(({ ok }) => ok === false)
          .flatMap((requirement) => requirementLines(requirement)),
      ]),
  ])
}

function missingOf({ requirements }: CustomerPreflight): string {
  return requirements
    .filter(({ ok }) => ok === false)
    .map(({ code }) => code.replaceAll('_', ' '))
    .join(', ')
}

function requirementLines({ ok, found, remedy }: Requirement): string[] {
  const word = ok === null ? '?   ' : ok ? 'ok  ' : 'fail'
  return [
    `  ${word}  ${printable(found)}`,
    ...(remedy === null || ok === true ? [] : [`        ${printable(remedy)}`]),
  ]
}
