import { findSubject } from '../targets/explain/subject.ts'
import { EntraSyncError } from '../errors.ts'
import { readTenants } from '../targets/imports/tenants.ts'
import {
  listComputers,
  listPersons,
  readPersonDetail,
  type ListedComputer,
  type ListedPerson,
} from '../targets/listing.ts'
import { reasonText, wantedText } from '../targets/words.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'

interface ListOptions {
  tenant?: string
  search?: string
  tag?: string
  limit: number
}

/** `persons list`: whom ImmyBot knows, with tags and protection. */
export function list(context: CommandContext, options: ListOptions): Promise<number> {
  return withDatabase(context, async (db) => {
    const persons = await listPersons(db, {
      tenantId: await tenantOf(db, options.tenant),
      search: options.search ?? null,
      tag: options.tag ?? null,
      limit: options.limit,
    })
    const { output } = context
    output.document({ persons })
    if (persons.length === 0) output.line('No such person.')
    else {
      const lines = tableLines(
        [
          {
            title: 'Person',
            value: ({ name, userPrincipalName }: ListedPerson) => name ?? userPrincipalName ?? '',
          },
          { title: 'UPN', value: ({ userPrincipalName }) => userPrincipalName ?? '–' },
          { title: 'Tenant', value: ({ tenant }) => tenant ?? 'none' },
          { title: 'Department', value: ({ department }) => department ?? '' },
          { title: 'Tags', value: ({ tags }) => tags.join(', ') },
          { title: 'Targets', value: ({ targets }) => number(targets), align: 'right' },
          { title: '', value: noteOf },
        ],
        persons,
        output.width,
      )
      for (const line of lines) output.line(line)
    }
    if (persons.length === options.limit) output.line(`The first ${options.limit}; --limit shows more.`)
    return 0
  })
}

/** `persons show WHO`: fields, groups, licences, targets. */
export function show(context: CommandContext, who: string, options: { tenant?: string }): Promise<number> {
  return withDatabase(context, async (db) => {
    const subject = await findSubject(db, who, options.tenant)
    const detail = subject.kind === 'person' ? await readPersonDetail(db, subject.id) : null
    if (detail === null) {
      throw new EntraSyncError('input', `${subject.name} is a computer.`, {
        code: 'not_a_person',
        remedy: `entra-sync explain ${who}`,
      })
    }
    const { output } = context
    output.document({ ...subject, ...detail })
    const facts: [string, string][] = [
      ['Person', `${subject.name} (${subject.id})`],
      ['Tenant', subject.tenant ?? 'none'],
      ['Entra object', detail.objectId ?? 'made by hand; no sync has found it yet'],
      [
        'Account',
        [subject.enabled === false ? 'disabled' : 'enabled', subject.userType ?? 'Member'].join(', '),
      ],
      ['Department', subject.department ?? '–'],
      ['Tags', subject.tags.join(', ') || 'none'],
      ['Groups', detail.groups.map(({ name }) => name ?? 'without a name').join(', ') || 'none'],
    ]
    for (const [title, value] of facts) output.line(`${title.padEnd(13)} ${printable(value)}`)
    for (const { sku, product, assignedBy, switchedOff } of detail.licenses)
      output.line(
        printable(
          `Licence       ${product ?? sku}${assignedBy.length > 0 ? `, by ${assignedBy.join(' and ')}` : ''}${switchedOff > 0 ? `, ${switchedOff} plans switched off` : ''}`,
        ),
      )
    for (const { item, version, desiredState, deployment, reason } of detail.targets)
      output.line(
        printable(
          `Target        ${wantedText(item, version, desiredState)}: ${deployment ?? 'gone'} (${reasonText(reason)})`,
        ),
      )
    return 0
  })
}

/** `computers list`: whose they are, and who their primary user is in the tenant's directory. */
export function computers(context: CommandContext, options: ListOptions): Promise<number> {
  return withDatabase(context, async (db) => {
    const found = await listComputers(db, {
      tenantId: await tenantOf(db, options.tenant),
      search: options.search ?? null,
      limit: options.limit,
    })
    const { output } = context
    output.document({ computers: found })
    if (found.length === 0) {
      output.line('No such computer. ImmyBot feeds them, or: entra-sync computers import FILE')
      return 0
    }
    const lines = tableLines(
      [
        { title: 'Computer', value: ({ name }: ListedComputer) => name },
        { title: 'Tenant', value: ({ tenant }) => tenant },
        { title: 'Primary user', value: ({ primaryUser }) => primaryUser ?? '–' },
        {
          title: 'Person',
          value: ({ person, primaryUser }) =>
            person ?? (primaryUser === null ? '–' : 'nobody in this directory'),
        },
        {
          title: 'Device',
          value: ({ entraDeviceId, deviceKnown }) =>
            entraDeviceId === null ? '–' : deviceKnown ? 'known' : 'not in the directory',
        },
        { title: 'Targets', value: ({ targets }) => number(targets), align: 'right' },
      ],
      found,
      output.width,
    )
    for (const line of lines) output.line(line)
    if (found.length === options.limit) output.line(`The first ${options.limit}; --limit shows more.`)
    return 0
  })
}

async function tenantOf(
  db: Parameters<typeof readTenants>[0],
  text: string | undefined,
): Promise<string | null> {
  if (text === undefined) return null
  const found = (await readTenants(db)).find(text)
  if (typeof found !== 'string') return found.tenantId
  throw new EntraSyncError('input', found, { code: 'tenant_unknown', remedy: 'Give its name, slug or id.' })
}

function noteOf({ enabled, userType, protectedReason, handMade }: ListedPerson): string {
  return [
    ...(enabled === false ? ['disabled'] : []),
    ...(userType?.toLowerCase() === 'guest' ? ['guest'] : []),
    ...(handMade ? ['made by hand'] : []),
    ...(protectedReason === null ? [] : [`protected: ${protectedReason}`]),
  ].join(', ')
}
