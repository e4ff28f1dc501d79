import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDevices, devicesStart } from '../../src/graph/devices.ts'
import { groupsStart, kindOfGroup, parseGroups } from '../../src/graph/groups.ts'
import { cleanText } from '../../src/graph/objects.ts'
import { parseSkus } from '../../src/graph/skus.ts'
import { parseUsers, usersStart } from '../../src/graph/users.ts'
import { isEntraSyncError } from '../../src/errors.ts'
import { thrown } from './caught.ts'

const id = '87d349ed-44d7-43e1-9a83-5f2406de0001'
const other = 'CBDC14AB-D96C-4C30-B9F4-6ADA7CDC1D46'

describe('users', () => {
  it('selects just what is stored', () => {
    expect(usersStart).toBe(
      '/users/delta?$select=id,userPrincipalName,mail,displayName,givenName,surname,jobTitle,department,companyName,' +
        'officeLocation,usageLocation,employeeId,accountEnabled,userType,onPremisesSyncEnabled,' +
        'onPremisesSamAccountName,onPremisesSecurityIdentifier,assignedLicenses',
    )
  })

  it('keeps absent and null apart, and drops what it does not know', () => {
    const [user] = parseUsers([
      { id, mail: null, department: 'Sales', somethingNew: { a: 1 }, '@odata.type': '#x' },
    ])
    expect(user).toEqual({ id, fields: { mail: null, department: 'Sales' } })
  })

  it('tells licences only when the object did', () => {
    const licenses = [{ skuId: other, disabledPlans: [other], more: 1 }, { skuId: id }]
    expect(parseUsers([{ id, accountEnabled: true, assignedLicenses: licenses }])).toEqual([
      {
        id,
        fields: { accountEnabled: true },
        licenses: [
          { skuId: other.toLowerCase(), disabledPlans: [other.toLowerCase()] },
          { skuId: id, disabledPlans: [] },
        ],
      },
    ])
    expect(parseUsers([{ id, assignedLicenses: [] }])).toEqual([{ id, fields: {}, licenses: [] }])
  })

  it.each([
    [{ reason: 'changed' }, 'changed'],
    [{ reason: 'deleted' }, 'deleted'],
    [{ reason: 'somethingNew' }, 'changed'],
    [{}, 'changed'],
  ])('removed for %j is %s', (removed, expected) => {
    expect(parseUsers([{ id: id.toUpperCase(), '@removed': removed, displayName: 'x' }])).toEqual([
      { id, removed: expected },
    ])
  })

  it.each([
    ['no array', {}, 'object_malformed'],
    ['null', null, 'object_malformed'],
    ['an object that is none', ['x'], 'object_malformed'],
    ['no id', [{ displayName: 'x' }], 'object_malformed'],
    ['an id that is no text', [{ id: 7, displayName: 'x' }], 'object_malformed'],
    ['an id that is no GUID', [{ id: 'me', displayName: 'x' }], 'id_no_guid'],
    ['an id with a tail', [{ id: `${id}x`, displayName: 'x' }], 'id_no_guid'],
    ['a name that is no text', [{ id, displayName: 7 }], 'object_malformed'],
    ['licences that are no array', [{ id, assignedLicenses: {} }], 'object_malformed'],
    ['a sku that is no GUID', [{ id, assignedLicenses: [{ skuId: 'x' }] }], 'id_no_guid'],
    ['nothing but an id', [{ id }], 'limited_information'],
    ['nothing but id and type', [{ id, '@odata.type': '#microsoft.graph.user' }], 'limited_information'],
  ])('%s is malformed', (_, value, code) => {
    expect(thrown(() => parseUsers(value))).toMatchObject({
      kind: 'malformed',
      code,
      resource: '/users/delta',
    })
  })

  it('takes nulls alone for a missing permission in a full round, for cleared fields in a delta round', () => {
    const nulls = [{ id, displayName: null, mail: null, assignedLicenses: [] }]
    expect(thrown(() => parseUsers(nulls, { full: true }))).toMatchObject({ code: 'limited_information' })
    expect(parseUsers(nulls)).toEqual([{ id, fields: { displayName: null, mail: null }, licenses: [] }])
    expect(parseUsers([{ id, displayName: null, accountEnabled: false }], { full: true })).toHaveLength(1)
  })

  it('never puts contents into its error', () => {
    const error = thrown(() => parseUsers([{ id, displayName: { private: 'Ada' } }]))
    expect(error.message).toContain('0.displayName')
    expect(error.message).not.toContain('Ada')
  })
})

describe('texts for Postgres', () => {
  it.each([
    ['a\0b', 'ab'],
    ['\ud800', '�'],
    ['x\udc00y', 'x�y'],
    ['😀', '😀'],
    ['', ''],
    ['a'.repeat(851), 'a'.repeat(850)],
    ['a'.repeat(849) + '😀', 'a'.repeat(849) + '�'],
  ])('%j', (text, expected) => expect(cleanText(text)).toBe(expected))

  it('is applied to every text of a user and a group', () => {
    // Code units, not code points: lone surrogates too, and zero often.
    const codeUnit = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0xd800, max: 0xdfff }),
      fc.integer({ min: 1, max: 0xffff }),
    )
    const codeUnits = fc.array(codeUnit, { maxLength: 900 }).map((units) => String.fromCharCode(...units))
    fc.assert(
      fc.property(codeUnits, (text) => {
        const parsed = JSON.stringify([
          parseUsers([{ id, displayName: text, mail: text }]),
          parseGroups([{ id, displayName: text, groupTypes: [text] }]),
        ])
        expect(parsed).not.toMatch(/\\u0000|\\ud[89a-f]/i)
      }),
    )
  })
})

describe('groups', () => {
  it('asks for members', () =>
    expect(groupsStart).toMatch(/^\/groups\/delta\?\$select=id,displayName,.*,members$/))

  it('reads members of every kind, in order, with their removals', () => {
    const types = ['user', 'group', 'device', 'servicePrincipal', 'orgContact', 'agentIdentity']
    const members = types.map((type) => ({ '@odata.type': `#microsoft.graph.${type}`, id }))
    const [group] = parseGroups([
      {
        id,
        displayName: 'x',
        'members@delta': [...members, { id: other }, { id, '@removed': { reason: 'deleted' } }],
      },
    ])
    expect(group).toEqual({
      id,
      fields: { displayName: 'x' },
      members: [
        ...['user', 'group', 'device', 'service_principal', 'contact', 'other'].map((type) => ({
          id,
          type,
          removed: false,
        })),
        { id: other.toLowerCase(), type: 'other', removed: false },
        { id, type: 'other', removed: true },
      ],
    })
  })

  it('takes a slice of members without any field, also in a full round', () => {
    const value = [{ id, 'members@delta': [{ id: other, '@odata.type': '#microsoft.graph.user' }] }]
    expect(parseGroups(value, { full: true })).toEqual([
      { id, fields: {}, members: [{ id: other.toLowerCase(), type: 'user', removed: false }] },
    ])
  })

  it('refuses groups that tell nothing', () => {
    expect(thrown(() => parseGroups([{ id }]))).toMatchObject({ code: 'limited_information' })
    const nulls = [{ id, displayName: null, groupTypes: [], resourceProvisioningOptions: [] }]
    expect(thrown(() => parseGroups(nulls, { full: true }))).toMatchObject({ code: 'limited_information' })
    expect(parseGroups(nulls)).toHaveLength(1)
  })

  it.each([
    [{ groupTypes: ['Unified'], mailEnabled: true, securityEnabled: false }, 'microsoft365'],
    [
      { groupTypes: ['DynamicMembership', 'Unified'], mailEnabled: true, securityEnabled: true },
      'microsoft365',
    ],
    [{ groupTypes: [], mailEnabled: false, securityEnabled: true }, 'security'],
    [{ groupTypes: ['DynamicMembership'], mailEnabled: false, securityEnabled: true }, 'security'],
    [{ groupTypes: [], mailEnabled: true, securityEnabled: true }, 'mail_enabled_security'],
    [{ groupTypes: [], mailEnabled: true, securityEnabled: false }, 'distribution'],
    [{ groupTypes: null, mailEnabled: null, securityEnabled: null }, 'security'],
    [{}, 'security'],
  ])('%j is of kind %s', (fields, kind) => expect(kindOfGroup(fields)).toBe(kind))
})

describe('devices', () => {
  it('reads them', () => {
    expect(devicesStart).toBe('/devices/delta?$select=id,deviceId,displayName,operatingSystem,accountEnabled')
    expect(
      parseDevices([
        { id, deviceId: other, displayName: 'PC', accountEnabled: true, trustType: 'AzureAd' },
        { id, deviceId: 'old', displayName: null },
        { id, '@removed': { reason: 'deleted' } },
      ]),
    ).toEqual([
      { id, fields: { deviceId: other.toLowerCase(), displayName: 'PC', accountEnabled: true } },
      { id, fields: { deviceId: null, displayName: null } },
      { id, removed: 'deleted' },
    ])
    expect(thrown(() => parseDevices([{ id }]))).toMatchObject({ code: 'limited_information' })
  })
})

describe('skus', () => {
  const plan = {
    servicePlanId: id,
    servicePlanName: 'OFFICE_BUSINESS',
    provisioningStatus: 'Success',
    appliesTo: 'User',
  }
  it('reads them, unknown states included', () => {
    const [full, bare] = parseSkus([
      {
        id: `x_${other}`,
        skuId: other,
        skuPartNumber: 'SPB',
        appliesTo: 'User',
        capabilityStatus: 'SomethingNew',
        consumedUnits: 41,
        prepaidUnits: { enabled: 50, suspended: 1, warning: 2, lockedOut: 0 },
        servicePlans: [plan],
      },
      { skuId: id, skuPartNumber: 'FREE', servicePlans: [] },
    ])
    expect(full).toEqual({
      skuId: other.toLowerCase(),
      skuPartNumber: 'SPB',
      capabilityStatus: 'SomethingNew',
      appliesTo: 'User',
      enabled: 50,
      suspended: 1,
      warning: 2,
      consumed: 41,
      servicePlans: [
        { servicePlanId: id, servicePlanName: 'OFFICE_BUSINESS', provisioningStatus: 'Success' },
      ],
    })
    expect(bare).toMatchObject({ enabled: 0, consumed: 0, capabilityStatus: null })
  })

  it.each([
    [[{ id: 'x' }]],
    [[{ skuId: 'x', skuPartNumber: 'y', servicePlans: [] }]],
    [[{ skuId: id, skuPartNumber: 'y' }]],
  ])('%j is malformed', (value) =>
    expect(thrown(() => parseSkus(value))).toMatchObject({ kind: 'malformed' }),
  )
})

it('answers any JSON with changes or kind malformed, never otherwise', () => {
  const key = fc.constantFrom(
    'id',
    '@removed',
    'displayName',
    'assignedLicenses',
    'members@delta',
    'skuId',
    'deviceId',
    'groupTypes',
  )
  const leaf = fc.oneof(fc.constant(id), fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
  const value = fc.letrec((tie) => ({
    any: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('any')), fc.dictionary(key, tie('any'))),
  })).any
  fc.assert(
    fc.property(fc.array(value), (page) => {
      for (const parse of [parseUsers, parseGroups, parseDevices, parseSkus]) {
        try {
          expect(parse(page)).toHaveLength(page.length)
        } catch (error) {
          if (!isEntraSyncError(error, 'malformed')) throw error
        }
      }
    }),
  )
})
