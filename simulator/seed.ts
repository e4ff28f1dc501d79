import type { Directory } from './directory/directory.ts'
import { ascii, departments, offices, personName } from './names.ts'
import { between, guid, pick, pickWeighted, seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { seedGroups } from './seed-groups.ts'
import { seedLicenses, seedSkus } from './seed-licenses.ts'

export interface SeedPlan {
  seed: number
  users: number
  /** null or undefined = as many as the size asks for. */
  groups?: number | undefined
  displayName: string
  /** Default domain first, then `*.onmicrosoft.com`, then others. */
  domains: readonly string[]
}

/** What later steps want to know of a person that was made. */
export interface SeededUser {
  id: string
  kind: 'member' | 'guest' | 'shared-mailbox' | 'admin'
  department: string | null
  enabled: boolean
}

/** Fills a directory with a believable company: same seed, same ids. */
export function seedDirectory(directory: Directory, plan: SeedPlan): void {
  const random = seededRandom(plan.seed)
  const hybrid = plan.users >= 20 && random() < 0.4
  const people = seedUsers(directory, plan, hybrid, random)
  seedSkus(directory, plan.users, random)
  const groups = seedGroups(directory, { people, plan, hybrid, random })
  seedLicenses(directory, people, groups.licensed, plan.users, random)
  for (const person of people) {
    // Leavers of the last weeks: still restorable, still in their groups.
    if (person.kind === 'member' && plan.users >= 20 && random() < 0.01) directory.deleteUser(person.id)
  }
  directory.settle()
}

function seedUsers(directory: Directory, plan: SeedPlan, hybrid: boolean, random: Random): SeededUser[] {
  const people: SeededUser[] = []
  const aliases = new Set<string>()
  const domainSid = `S-1-5-21-${between(random, 1e8, 4e9)}-${between(random, 1e8, 4e9)}-${between(random, 1e8, 4e9)}`
  for (let index = 0; index < plan.users; index += 1) {
    const kind = kindAt(index, plan.users, random)
    const id = guid(random)
    if (kind === 'guest') people.push(seedGuest(directory, plan, id, index, random))
    else if (kind !== 'member') people.push(seedAccount(directory, plan, id, kind, index))
    else {
      const person = personName(random)
      const department = pickWeighted(random, departments)
      const enabled = random() >= 0.04
      const alias = unique(person.alias, aliases)
      const [defaultDomain = '', cloudDomain = '', otherDomain] = plan.domains
      const domain = otherDomain !== undefined && random() < 0.3 ? otherDomain : defaultDomain
      const synced = hybrid && random() < 0.9
      directory.addUser({
        id,
        userPrincipalName: `${alias}@${random() < 0.02 ? cloudDomain : domain}`,
        displayName: person.displayName,
        mail: random() < 0.97 ? `${alias}@${domain}` : null,
        givenName: person.givenName,
        surname: person.surname,
        jobTitle: random() < 0.95 ? pick(random, department.titles) : null,
        department: department.name,
        companyName: random() < 0.6 ? plan.displayName : null,
        officeLocation: pick(random, offices),
        usageLocation: pickWeighted(random, [
          ['US', 90],
          ['CA', 6],
          ['GB', 3],
          ['DE', 1],
        ] as const),
        employeeId: random() < 0.6 ? String(10_000 + index) : null,
        accountEnabled: enabled,
        // Old accounts have no userType at all.
        userType: random() < 0.01 ? null : 'Member',
        onPremisesSyncEnabled: synced ? true : null,
        onPremisesSamAccountName: synced ? alias.slice(0, 20) : null,
        onPremisesSecurityIdentifier: synced ? `${domainSid}-${1100 + index}` : null,
      })
      people.push({ id, kind, department: department.name, enabled })
    }
  }
  return people
}

function kindAt(index: number, users: number, random: Random): SeededUser['kind'] {
  if (index === 0) return 'admin'
  const dice = random()
  if (users >= 10 && dice < 0.06) return 'guest'
  return users >= 10 && dice < 0.09 ? 'shared-mailbox' : 'member'
}

function seedGuest(
  directory: Directory,
  plan: SeedPlan,
  id: string,
  index: number,
  random: Random,
): SeededUser {
  const { displayName, alias } = personName(random)
  const home = pick(random, ['fabrikam.example', 'adatum.example', 'litware.example'])
  directory.addUser({
    id,
    userPrincipalName: `${alias}${index}_${home}#EXT#@${plan.domains[1]}`,
    displayName,
    mail: `${alias}@${home}`,
    accountEnabled: true,
    userType: 'Guest',
  })
  return { id, kind: 'guest', department: null, enabled: true }
}

const mailboxes = [
  'Info',
  'Invoices',
  'Support',
  'Careers',
  'Front Desk',
  'Orders',
  'Scanner',
  'Conference Room A',
]

function seedAccount(
  directory: Directory,
  plan: SeedPlan,
  id: string,
  kind: 'admin' | 'shared-mailbox',
  index: number,
): SeededUser {
  const name = kind === 'admin' ? 'Break Glass Admin' : (mailboxes[index % mailboxes.length] ?? 'Info')
  const alias = kind === 'admin' ? 'breakglass' : `${ascii(name)}${index}`
  directory.addUser({
    id,
    userPrincipalName: `${alias}@${kind === 'admin' ? plan.domains[1] : plan.domains[0]}`,
    displayName: name,
    mail: kind === 'admin' ? null : `${alias}@${plan.domains[0]}`,
    accountEnabled: kind === 'admin',
    userType: 'Member',
  })
  return { id, kind, department: null, enabled: kind === 'admin' }
}

/** The alias, or with the lowest number that makes it new: `emma.smith2`. */
function unique(alias: string, taken: Set<string>): string {
  let free = alias
  for (let number = 2; taken.has(free); number += 1) free = `${alias}${number}`
  taken.add(free)
  return free
}
