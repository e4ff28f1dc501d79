import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCloud } from '../../simulator/cloud.ts'
import type { Cloud } from '../../simulator/cloud.ts'
import type { Truth } from '../../simulator/types.ts'
import { askGraph, control, tokenFor, trust } from './asking.ts'

let cloud: Cloud
let token: string
beforeAll(async () => {
  cloud = await startCloud({ sizes: [120], groupsPerTenant: 25 })
  trust(cloud)
  token = await tokenFor(cloud, cloud.partnerTenantId)
  await control(cloud, 'POST /throttle', { enabled: false })
})
afterAll(() => cloud.close())

type Body = Record<string, unknown> & { id: string; '@removed'?: { reason: string } }
interface Page {
  value: Body[]
  '@odata.nextLink'?: string
  '@odata.deltaLink'?: string
}

/** Objects and edges as a client has them that does no more than Graph's documentation says. */
class Replica {
  objects = new Map<string, Body>()
  edges = new Set<string>()
  link: string

  constructor(start: string) {
    this.link = start
  }

  async read(): Promise<void> {
    for (let link: string | undefined = this.link; link !== undefined;) {
      const answer = await askGraph(cloud, token, link)
      if (answer.status !== 200) throw new Error(`${link}: ${answer.status} ${await answer.text()}`)
      const page = (await answer.json()) as Page
      for (const body of page.value) this.apply(body)
      this.link = page['@odata.deltaLink'] ?? this.link
      link = page['@odata.nextLink']
    }
  }

  private apply(body: Body): void {
    if (body['@removed'] !== undefined) {
      this.objects.delete(body.id)
      return
    }
    this.objects.set(body.id, { ...this.objects.get(body.id), ...body })
    for (const member of (body['members@delta'] ?? []) as Body[]) {
      const edge = `${body.id} ${member.id}`
      if (member['@removed'] === undefined) this.edges.add(edge)
      else this.edges.delete(edge)
    }
  }
}

const userNames = [
  'userPrincipalName',
  'displayName',
  'mail',
  'jobTitle',
  'department',
  'accountEnabled',
  'officeLocation',
]
const groupNames = ['displayName', 'securityEnabled', 'visibility']

function picked(body: object, names: string[]): Record<string, unknown> {
  const values = body as Record<string, unknown>
  return Object.fromEntries(names.map((name) => [name, values[name] ?? null]))
}

function licenses(given: unknown): string[] {
  const list = (given ?? []) as { skuId: string; disabledPlans: string[] }[]
  return list.map(
    (each) => `${each.skuId}:${[...each.disabledPlans].sort((a, b) => (a < b ? -1 : 1)).join()}`,
  )
}

test.each([
  ['well-behaved', {}],
  ['untidy', { replays: 1, duplicates: 0.3, shuffle: true, splitMembers: 3, emptyPages: 0.3, pageSize: 7 }],
])('who follows the rules on a %s cloud ends each round with the truth', async (_name, knobs) => {
  await control(cloud, 'DELETE /faults')
  await control(cloud, 'POST /faults', { knobs })
  const users = new Replica(`/users/delta?$select=${userNames.join()},assignedLicenses`)
  const groups = new Replica(`/groups/delta?$select=${groupNames.join()},members`)
  for (let round = 0; round < 25; round += 1) {
    await Promise.all([users.read(), groups.read()])
    const truth = (await control(cloud, `GET /truth/${cloud.partnerTenantId}`)) as Truth
    expect(new Map([...users.objects].map(([id, body]) => [id, picked(body, userNames)]))).toEqual(
      new Map(truth.users.map((user) => [user.id, picked(user, userNames)])),
    )
    for (const user of truth.users) {
      const held = licenses(users.objects.get(user.id)?.['assignedLicenses'])
      expect(new Set(held)).toEqual(new Set(licenses(user.licenses)))
    }
    expect(new Map([...groups.objects].map(([id, body]) => [id, picked(body, groupNames)]))).toEqual(
      new Map(truth.groups.map((group) => [group.id, picked(group, groupNames)])),
    )
    // Purged people leave edges behind of which Graph never tells, and deleted groups theirs: only live ends count.
    const live = new Set([...truth.users, ...truth.groups, ...truth.devices].map(({ id }) => id))
    const between = (edge: string): boolean => edge.split(' ').every((id) => live.has(id))
    expect(new Set([...groups.edges].filter(between))).toEqual(
      new Set(truth.members.map(({ groupId, memberId }) => `${groupId} ${memberId}`).filter(between)),
    )
    await control(cloud, 'POST /mutate', { tenantId: cloud.partnerTenantId, count: 20, seed: round + 1 })
  }
})
