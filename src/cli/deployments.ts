import { EntraSyncError } from '../errors.ts'
import {
  listDeployments,
  targetsByTenant,
  type ListedDeployment,
  type TenantOfDeployment,
} from '../targets/deployments/list.ts'
import { targetText } from '../targets/target-text.ts'
import { wantedText } from '../targets/words.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'

/** Warnings of each in the list, and of one that is shown. */
const shownWarnings = 3
const mostWarnings = 50

/** `deployments list`: all of them, with what they reach now and what is odd about them. */
export function list(context: CommandContext): Promise<number> {
  return withDatabase(context, async (db) => {
    const deployments = await listDeployments(db, {
      warnings: context.output.json ? mostWarnings : shownWarnings,
    })
    const { output } = context
    output.document({ deployments })
    if (deployments.length === 0) {
      output.line(
        'No deployment yet. `entra-sync deployments apply FILE` brings some: docs/deployments.md shows how.',
      )
      return 0
    }
    const lines = tableLines(
      [
        { title: 'Deployment', value: ({ name }: ListedDeployment) => name },
        { title: 'Item', value: wanted },
        { title: 'Target', value: (one) => targetText(one) },
        { title: 'Scope', value: scopeText },
        { title: 'Enforcement', value: ({ enforcement }) => enforcement },
        { title: 'Persons', value: ({ persons }) => number(persons), align: 'right' },
        { title: 'Own computers', value: ({ computers }) => number(computers), align: 'right' },
        { title: '', value: noteOf },
      ],
      deployments,
      output.width,
    )
    for (const line of lines) output.line(line)
    const warned = deployments.filter(({ warnings }) => warnings.length > 0)
    if (warned.length > 0) output.line('\nWarnings:')
    for (const one of warned) for (const line of warningLines(one)) output.line(line)
    return 0
  })
}

/** `deployments show NAME`: one in full, and where it wins. */
export function show(context: CommandContext, name: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const [deployment] = await listDeployments(db, { names: [name], warnings: mostWarnings })
    if (deployment === undefined) {
      throw new EntraSyncError('input', `There is no deployment ${name}.`, {
        code: 'deployment_unknown',
        remedy: '`entra-sync deployments list` shows their names.',
      })
    }
    const tenants = await targetsByTenant(db, deployment.deploymentId)
    const { output } = context
    output.document({ ...deployment, targets: tenants })
    const facts: [string, string][] = [
      ['Deployment', `${deployment.name} (${deployment.deploymentId})`],
      ['Item', wanted(deployment)],
      ['Target', targetText(deployment)],
      ['Excludes', deployment.excludes.map((one) => excludeText(one)).join('; ') || 'nothing'],
      ['Filters', filterText(deployment.filters)],
      ['Scope', scopeText(deployment)],
      ['Enforcement', deployment.enforcement],
      ['Rank', String(deployment.rank)],
      ['Enabled', deployment.enabled ? 'yes' : 'no'],
      ['From', deployment.source],
      ['Since', `${deployment.createdAt.toISOString()}, changed ${deployment.updatedAt.toISOString()}`],
      [
        'Wins for',
        `${number(total(tenants, 'persons'))} persons and ${number(total(tenants, 'computers'))} computers in ${number(tenants.length)} ${tenants.length === 1 ? 'tenant' : 'tenants'}`,
      ],
      ...(deployment.held > 0
        ? ([['Held', `${number(deployment.held)} changes`]] as [string, string][])
        : []),
    ]
    for (const [title, value] of facts) output.line(`${title.padEnd(12)} ${printable(value)}`)
    for (const line of warningLines(deployment)) output.line(line)
    if (tenants.length === 0) return 0
    output.line('')
    const lines = tableLines(
      [
        { title: 'Tenant', value: ({ tenant }: (typeof tenants)[number]) => tenant },
        { title: 'Persons', value: ({ persons }) => number(persons), align: 'right' },
        { title: 'Computers', value: ({ computers }) => number(computers), align: 'right' },
      ],
      tenants,
      output.width,
    )
    for (const line of lines) output.line(line)
    return 0
  })
}

function total(tenants: readonly TenantOfDeployment[], of: 'persons' | 'computers'): number {
  return tenants.reduce((all, tenant) => all + tenant[of], 0)
}

function wanted({ item, version, desiredState }: ListedDeployment): string {
  return wantedText(item, version, desiredState)
}

function scopeText({ scope, tenant }: ListedDeployment): string {
  if (scope === 'single_tenant') return `${tenant ?? 'a tenant'} and below`
  return scope === 'cross_tenant' ? 'all tenants' : 'individual'
}

function noteOf({ enabled, warningCount, held }: ListedDeployment): string {
  return [
    ...(enabled ? [] : ['off']),
    ...(held > 0 ? [`${held} held`] : []),
    ...(warningCount > 0 ? [warningCount === 1 ? '1 warning' : `${number(warningCount)} warnings`] : []),
  ].join(', ')
}

function warningLines({ name, warnings, warningCount }: ListedDeployment): string[] {
  const lines = warnings.map(({ message, tenant }) =>
    printable(`  ${name}${tenant === null ? '' : ` in ${tenant}`}: ${message}`),
  )
  const rest = warningCount - warnings.length
  return rest === 0 ? lines : [...lines, `  … and ${number(rest)} more`]
}

function excludeText({ type, ...target }: Record<string, string>): string {
  return `${type ?? ''} ${Object.values(target).join(' ')}`.trim()
}

function filterText(filters: Record<string, unknown>): string {
  const parts = Object.entries(filters).map(
    ([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : String(value)}`,
  )
  return parts.length === 0 ? 'enabled accounts, no guests' : parts.join('; ')
}
