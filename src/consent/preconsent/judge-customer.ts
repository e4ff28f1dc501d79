import { z } from 'zod'
import { isEntraSyncError } from '../../errors.ts'
import type { GraphClient } from '../../graph/client.ts'
import { mayConsent, mayGrant } from '../customers/directory-roles.ts'
import type { PartnerFacts } from './judge-partner.ts'
import type { Listed, Requirement } from './preflight.ts'

/** What a user needs at a customer: one of these roles, through a group that they are in. */
const needed = [
  {
    code: 'consent_role',
    name: 'Application Administrator (or Cloud Application Administrator)',
    roles: mayConsent,
  },
  { code: 'grant_role', name: 'Privileged Role Administrator', roles: mayGrant },
] as const

const adminRelationships = (customer: string): string =>
  `Partner Center > Customers > ${customer} > Admin relationships`

/** Whether active relationships and access assignments give the user both roles there; what is missing, and where. */
export async function judgeCustomer(
  client: GraphClient,
  partner: PartnerFacts,
  customer: string,
  listed: readonly Listed[],
  signal: AbortSignal,
): Promise<Requirement[]> {
  if (listed.length === 0) {
    return [
      {
        code: 'relationship',
        ok: false,
        found: `No GDAP relationship with ${customer} is active.`,
        remedy: `Request one with the roles Application Administrator and Privileged Role Administrator, and have the customer approve it: ${adminRelationships(customer)} > Request new relationship.`,
      },
    ]
  }
  const names = listed.map(({ relationship }) => titleOf(relationship)).join(', ')
  const requirements: Requirement[] = [
    { code: 'relationship', ok: true, found: `Active: ${names}.`, remedy: null },
  ]
  for (const role of needed)
    requirements.push(await judgeRole(client, partner, customer, listed, role, signal))
  return requirements
}

async function judgeRole(
  client: GraphClient,
  { groups, signIn }: PartnerFacts,
  customer: string,
  listed: readonly Listed[],
  { code, name, roles }: (typeof needed)[number],
  signal: AbortSignal,
): Promise<Requirement> {
  const failed = (found: string, remedy: string): Requirement => ({ code, ok: false, found, remedy })
  const holds = (held: readonly string[]): boolean => held.some((id) => roles.includes(id.toLowerCase()))
  const [first] = listed.filter(({ relationship }) => holds(relationship.roles))
  if (first === undefined) {
    return failed(
      `No active relationship with ${customer} has the role ${name}.`,
      `Roles of a relationship can't be changed: request another one with it: ${adminRelationships(customer)} > Request new relationship.`,
    )
  }
  const where = `${adminRelationships(customer)} > ${titleOf(first.relationship)} > Security groups`
  const assignments = listed.flatMap((one) => one.assignments).filter((one) => holds(one.roles))
  const active = assignments.filter(({ status }) => status === 'active')
  const [pending] = assignments
  if (active.length === 0) {
    return pending === undefined
      ? failed(
          `The role ${name} is given to no security group.`,
          `Give it to one that the user is in: ${where} > Add security groups.`,
        )
      : failed(
          `The role ${name} is given to ${await nameOf(client, pending.groupId, signal)}, and that is ${pending.status}, not active.`,
          `Wait some minutes; if it stays, remove it and add it again: ${where}.`,
        )
  }
  const user = signIn?.userName ?? 'the user'
  const through = active.find(({ groupId }) => groups?.has(groupId) === true)
  if (through !== undefined) {
    const group = groups?.get(through.groupId) ?? through.groupId
    return { code, ok: true, found: `${user} has ${name} through the group ${group}.`, remedy: null }
  }
  const ids = [...new Set(active.map(({ groupId }) => groupId))]
  const inThese = (await Promise.all(ids.map((id) => nameOf(client, id, signal)))).join(' or ')
  if (groups === null)
    return {
      code,
      ok: null,
      found: `${name} is given to ${inThese}; whether ${user} is in it can't be seen.`,
      remedy: null,
    }
  return failed(
    `${user} is not in ${inThese}, which has the role ${name}.`,
    `Add the user: Entra admin center of the partner > Groups > ${inThese} > Members > Add members.`,
  )
}

function titleOf({ displayName, relationshipId }: Listed['relationship']): string {
  return displayName ?? relationshipId
}

const groupSchema = z.object({ displayName: z.string().nullish() })

/** A group's name and id; the id alone where the name can't be read. */
async function nameOf(client: GraphClient, id: string, signal: AbortSignal): Promise<string> {
  try {
    const body = await client.get(`/groups/${id}?$select=id,displayName`, { signal })
    const name = groupSchema.safeParse(body).data?.displayName
    return name == null ? `group ${id}` : `${name} (${id})`
  } catch (error) {
    if (isEntraSyncError(error, 'not_found')) return `the deleted group ${id}`
    if (isEntraSyncError(error, 'access_lost')) return `group ${id}`
    throw error
  }
}
