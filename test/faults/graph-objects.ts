import { sql } from 'kysely'
import { expect } from 'vitest'
import { until } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const someone = 'eeeeeeee-0000-4000-8000-000000000002'
const odd = 'eeeeeeee-0000-4000-8000-000000000003'
const groups = '^/groups/delta'
const users = '^/users/delta'

/** Objects that the victim's answers hold beside those of its directory. */
function told(
  fault: Pick<Fault, 'number' | 'name' | 'expect'>,
  path: string,
  objectsOf: (world: World) => { before?: object[]; behind?: object[]; each?: Record<string, unknown> },
): Fault {
  let id = 0
  return {
    tells: null,
    reach: 'victim',
    // What was told and is not so goes with the next full round.
    mode: 'full',
    ...fault,
    inject(world) {
      id = world.cloud.faults.add({
        tenantId: world.victim.id,
        path,
        effect: { kind: 'edit', ...objectsOf(world) },
      })
    },
    end: ({ cloud }) => cloud.faults.remove(id),
  }
}

const membersOfWatch = (world: World, ...members: object[]): object => ({
  id: world.life.groupOf(world.victim),
  displayName: 'Fault watch',
  'members@delta': members,
})
const asUser = (id: string, more: object = {}): object => ({
  '@odata.type': '#microsoft.graph.user',
  id,
  ...more,
})
const liveUser = ({ victim }: World) => {
  const [user] = victim.directory.truth().users
  if (user === undefined) throw new Error('the victim has users')
  return user
}

/** Somebody as the directory has them. */
function wholeUser(world: World): object {
  const { licenses, licenseSources: _, ...user } = liveUser(world)
  return { ...user, assignedLicenses: licenses }
}

/** Numbers 14 to 34 as far as they are about what objects say. */
export const graphObjects: Fault[] = [
  told({ number: 22, name: 'a user twice in a round, the older copy last' }, users, (world) => {
    const { id, userPrincipalName } = liveUser(world)
    return { behind: [{ id, userPrincipalName, displayName: 'Who it was', accountEnabled: true }] }
  }),
  told({ number: 23, name: 'removed and restored in one round' }, users, (world) => ({
    before: [{ id: liveUser(world).id, '@removed': { reason: 'changed' } }],
    behind: [wholeUser(world)],
  })),
  told({ number: 24, name: 'a member added and removed on one page' }, groups, (world) => ({
    behind: [
      membersOfWatch(
        world,
        asUser(someone),
        asUser(someone, { '@removed': { reason: 'deleted' } }),
        asUser(liveUser(world).id, { '@removed': { reason: 'deleted' } }),
        asUser(liveUser(world).id),
      ),
    ],
  })),
  {
    number: 24,
    name: 'members split over as many pages as there are members',
    tells: null,
    reach: 'victim',
    mode: 'full',
    inject: ({ cloud, victim }) => cloud.faults.knobs(victim.id, { splitMembers: 1, shuffle: true }),
    end: ({ cloud, victim }) => cloud.faults.knobs(victim.id, { splitMembers: null, shuffle: false }),
  },
  told(
    {
      number: 25,
      name: 'a member whose user never comes',
      async expect({ database }) {
        const { rows } = await sql`
          select 1 from deployment_targets t left join persons p on p.person_id = t.subject_id
          where p.person_id is null or p.object_id = ${someone}`.execute(database.db)
        expect(rows).toEqual([])
      },
    },
    groups,
    (world) => ({ behind: [membersOfWatch(world, asUser(someone))] }),
  ),
  {
    number: 29,
    name: 'a tenant shrinks to nobody',
    alone: true,
    tells: null,
    reach: 'victim',
    quiet: true,
    async inject({ victim: { directory }, database: { db } }) {
      // A round on its way would see some of them there and some not, and be right.
      await until('nothing to be under way', async () => {
        const { rows } = await sql`
          select 1 from sync_requests where served_seq < requested_seq or serving_seq is not null`.execute(db)
        return rows.length === 0
      })
      for (const { id } of directory.truth().users) directory.deleteUser(id)
    },
    end({ victim: { directory } }) {
      for (const { id, state } of directory.users.order) if (state === 'deleted') directory.restoreUser(id)
    },
    async expect({ database, victim }) {
      const { rows } = await sql<{ reason: string }>`
        select reason from holds where entra_tenant_id = ${victim.id} and kind = 'person' and closed_at is null`.execute(
        database.db,
      )
      expect(rows).toEqual([{ reason: 'empties_collection' }])
    },
  },
  {
    number: 29,
    name: 'a tenant doubles',
    tells: null,
    reach: 'victim',
    inject({ victim: { directory, defaultDomain } }) {
      for (let n = directory.truth().users.length; n > 0; n--)
        directory.addUser({
          displayName: `One of many ${n}`,
          userPrincipalName: `many${n}-${Date.now()}@${defaultDomain}`,
        })
    },
    end({ victim: { directory } }) {
      for (const user of directory.truth().users)
        if (user.displayName?.startsWith('One of many') === true) directory.deleteUser(user.id)
    },
  },
  told(
    {
      number: 30,
      name: 'NUL, half a character, right-to-left, a formula and a megabyte in names',
      async expect({ database }) {
        const { rows } = await sql<{ display_name: string; department: string; job_title: string }>`
          select display_name, department, job_title from persons where object_id = ${odd}`.execute(
          database.db,
        )
        expect(rows).toEqual([
          {
            display_name: 'A\uFFFD\u202Eevil',
            department: '=cmd|calc',
            job_title: 'x'.repeat(850),
          },
        ])
      },
    },
    users,
    ({ victim }) => ({
      behind: [
        {
          id: odd,
          userPrincipalName: `odd@${victim.defaultDomain}`,
          displayName: 'A\0\uD800\u202Eevil',
          department: '=cmd|calc',
          jobTitle: 'x'.repeat(1_000_000),
          accountEnabled: false,
        },
      ],
    }),
  ),
  {
    number: 31,
    name: 'a group hides its members',
    tells: null,
    reach: 'victim',
    mode: 'full',
    inject({ victim, life }) {
      victim.app.roles = victim.app.roles.filter((role) => role !== 'Member.Read.Hidden')
      victim.directory.updateGroup(life.groupOf(victim), { visibility: 'HiddenMembership' })
    },
    end: ({ victim, life }) => victim.directory.updateGroup(life.groupOf(victim), { visibility: null }),
  },
  told(
    {
      number: 32,
      name: 'a member of a type that nobody has heard of',
      async expect({ database }) {
        const { rows } =
          await sql`select member_type from group_members where member_id = ${someone}`.execute(database.db)
        expect(rows).toEqual([{ member_type: 'other' }])
      },
    },
    groups,
    (world) => ({
      behind: [membersOfWatch(world, { '@odata.type': '#microsoft.graph.hologram', id: someone })],
    }),
  ),
  told(
    { number: 32, name: 'a state of a subscription that nobody has heard of' },
    '^/subscribedSkus',
    () => ({
      each: { capabilityStatus: 'Moonlit' },
    }),
  ),
  {
    number: 34,
    name: 'one group id in two tenants',
    tells: null,
    reach: 'victim',
    inject({ bystanders, victim, life }) {
      const directory = bystanders[1]?.directory
      const [user] = directory?.truth().users ?? []
      if (directory === undefined || user === undefined) throw new Error('there is another tenant')
      const id = life.groupOf(victim)
      // An id is given once: the second time it is the same group that is back.
      if (!directory.restoreGroup(id))
        directory.addGroup({ id, displayName: 'Another group', groupTypes: ['Unified'] })
      directory.addMember(id, user.id)
    },
    end: ({ bystanders, victim, life }) => bystanders[1]?.directory.deleteGroup(life.groupOf(victim)),
  },
]
