import type { Directory } from './directory/directory.ts'
import { ascii, departments, projects } from './names.ts'
import { between, guid, pick } from './random.ts'
import type { Random } from './random.ts'
import { baseSkus, skuId } from './seed-licenses.ts'
import type { LicenseGroup } from './seed-licenses.ts'
import type { SeededUser, SeedPlan } from './seed.ts'

interface Context {
  people: SeededUser[]
  plan: SeedPlan
  hybrid: boolean
  random: Random
}

type Kind = 'security' | 'microsoft365' | 'team' | 'distribution' | 'mail-enabled-security'

/** Graph's fields of a new group of one kind. */
export function groupFields(kind: Kind, displayName: string, domain: string, id: string) {
  const mail = kind === 'security' ? null : `${ascii(displayName)}@${domain}`
  const unified = kind === 'microsoft365' || kind === 'team'
  return {
    id,
    displayName,
    mail,
    mailNickname: ascii(displayName),
    mailEnabled: mail !== null,
    securityEnabled: kind === 'security' || kind === 'mail-enabled-security',
    groupTypes: unified ? ['Unified'] : [],
    resourceProvisioningOptions: kind === 'team' ? ['Team'] : [],
    visibility: unified ? 'Private' : null,
    onPremisesSyncEnabled: null as boolean | null,
  }
}

/**
 * Groups as companies have them: one a department, nested ones (with a cycle, which Entra allows), Teams, lists, synced
 * ones, one for devices, one with hidden members, and one that hands out licences.
 */
export function seedGroups(directory: Directory, context: Context): { licensed: LicenseGroup[] } {
  const { people, plan, hybrid, random } = context
  const domain = plan.domains[0] ?? ''
  const wanted = plan.groups ?? Math.max(6, Math.round(12 + plan.users / 25))
  const staff = people.filter((person) => person.kind === 'member')
  const made: string[] = []
  const add = (kind: Kind, name: string, more: object = {}): string | null => {
    if (made.length >= wanted) return null
    const id = guid(random)
    directory.addGroup({ ...groupFields(kind, name, domain, id), ...more })
    made.push(id)
    return id
  }
  const fill = (groupId: string | null, members: Iterable<string>): void => {
    if (groupId === null) return
    for (const member of new Set(members)) directory.addMember(groupId, member)
  }
  const some = (count: number, from: SeededUser[]): string[] =>
    from.length === 0 ? [] : Array.from({ length: count }, () => pick(random, from).id)

  const [[baseSku]] = baseSkus(plan.users) as [readonly [string, number]]
  const licensees = new Set(
    staff.filter((person) => person.enabled && random() < 0.6).map((person) => person.id),
  )
  const licenseGroup = add('security', `License ${baseSku}`)
  fill(licenseGroup, licensees)

  const everyone = add('team', 'All Company')
  fill(
    everyone,
    staff.map((person) => person.id),
  )

  const byDepartment: string[] = []
  for (const [department] of departments) {
    const group = add('security', department.name, hybrid ? { onPremisesSyncEnabled: true } : {})
    fill(
      group,
      staff.filter((person) => person.department === department.name).map((person) => person.id),
    )
    if (group !== null) byDepartment.push(group)
  }
  seedNesting(add, fill, byDepartment)
  fill(add('microsoft365', 'Board', { visibility: 'HiddenMembership' }), some(4, staff))
  fill(add('mail-enabled-security', 'Finance Approvers'), some(3, staff))
  fill(add('distribution', 'Newsletter'), some(Math.ceil(plan.users / 4), people))
  seedDevices(directory, context, staff, () => add('security', 'Managed Workstations'))

  for (let index = 0; made.length < wanted; index += 1) {
    const name = `${projects[index % projects.length]}${index < projects.length ? '' : ` ${Math.floor(index / projects.length) + 1}`}`
    const group = add(
      pick(random, ['team', 'team', 'microsoft365', 'security', 'distribution'] as const),
      name,
    )
    fill(group, some(between(random, 2, Math.min(40, Math.max(2, plan.users))), people))
    const parent = pick(random, made)
    // Entra takes a group into a security group only.
    if (group !== null && parent !== group && random() < 0.2 && byDepartment.includes(parent))
      fill(parent, [group])
  }
  return {
    licensed:
      licenseGroup === null ? [] : [{ groupId: licenseGroup, skuId: skuId(baseSku), memberIds: licensees }],
  }
}

function seedNesting(
  add: (kind: Kind, name: string) => string | null,
  fill: (groupId: string | null, members: Iterable<string>) => void,
  departmentGroups: string[],
): void {
  const staff = add('security', 'Staff Applications')
  fill(staff, departmentGroups)
  const [first, second, third] = departmentGroups
  const managers = add('security', 'Managers')
  if (managers === null || staff === null) return
  fill(managers, [staff])
  // A cycle of three, as a careless admin makes it: Managers > Staff Applications > (a department) > Managers.
  if (first !== undefined) fill(first, [managers])
  if (second !== undefined && third !== undefined) fill(second, [third])
}

const systems = ['Windows', 'Windows', 'Windows', 'Windows', 'MacMDM', 'iOS', 'Android']

function seedDevices(
  directory: Directory,
  { plan, random }: Context,
  staff: SeededUser[],
  addGroup: () => string | null,
): void {
  const group = addGroup()
  const prefix = ascii(plan.displayName).slice(0, 5).toUpperCase()
  for (const [index] of staff.entries()) {
    if (random() >= 0.6) continue
    const id = guid(random)
    const operatingSystem = pick(random, systems)
    directory.addDevice({
      id,
      deviceId: guid(random),
      displayName: `${prefix}-${operatingSystem === 'Windows' ? 'LT' : 'MB'}${String(index + 1).padStart(4, '0')}`,
      operatingSystem,
      accountEnabled: random() >= 0.03,
    })
    if (group !== null && operatingSystem === 'Windows') directory.addMember(group, id)
  }
}
