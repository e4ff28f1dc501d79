import { z } from 'zod'

/** How an issue's message ends: `version must be …`. Issues that have words of their own keep them. */
export function must(be: string) {
  return {
    error: ({ code }: { code?: string | undefined }) =>
      code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union' ? be : undefined,
  }
}

/** Text as Postgres takes it: no NUL, no lone surrogates; and nothing that moves a terminal's cursor. */
export function text(longest = 200) {
  return z
    .string(must('text'))
    .max(longest)
    .trim()
    .min(1)
    .refine((value) => !/\p{Cc}/u.test(value) && value.isWellFormed(), 'has a control character. Remove it.')
}

const yes = z.literal(true, must('true'))

const groupName = z
  .union(
    [
      text(),
      z.strictObject({
        pattern: text().meta({
          title: 'Pattern',
          description:
            'Groups whose name fits: * stands for anything, ? for one character. Letter case does not count.',
          examples: ['Eng*'],
        }),
      }),
    ],
    must('a name, or a map with pattern'),
  )
  .meta({
    title: 'Groups of a name, in every tenant',
    description:
      'Whoever is in a group of this name, in each tenant that the deployment reaches. A map with pattern takes every group whose name fits.',
    examples: ['Engineering', { pattern: 'Eng*' }],
  })

const license = z
  .union(
    [
      text(),
      z.strictObject({
        sku: text().meta({ title: 'SKU', description: 'SKU id, or part number as Microsoft writes it.' }),
      }),
      z.strictObject({
        plan: text().meta({ title: 'Service plan', description: 'Service plan id or service plan name.' }),
      }),
    ],
    must('a SKU or service plan, or a map with sku or with plan'),
  )
  .meta({
    title: 'Licensed persons',
    description:
      'Whoever has this licence. SKU id, SKU part number, service plan id or service plan name; a map with sku or plan where a name is both.',
    examples: ['SPE_E5', 'VISIO_CLIENT_SUBSCRIPTION', { plan: 'INTUNE_A' }],
  })

/** Exactly one key; `checks.ts` tells of none and of several. */
export const target = z
  .strictObject(
    {
      everyone: yes
        .optional()
        .meta({ title: 'Everyone', description: 'Every person. The only value is true.' }),
      group: text()
        .optional()
        .meta({
          title: 'Group',
          description:
            'Members of one group, at any depth: its object id, or its name within the tenant of the deployment.',
          examples: ['Engineering'],
        }),
      team: text().optional().meta({
        title: 'Team',
        description:
          'Members of one Team: its group object id, or its name within the tenant of the deployment.',
      }),
      group_name: groupName.optional(),
      license: license.optional(),
      app_entitlement: text()
        .optional()
        .meta({
          title: 'App entitlement',
          description: 'Whoever is entitled to this desktop product by a licence.',
          examples: ['m365_apps_enterprise', 'm365_apps_business', 'project_desktop', 'visio_desktop'],
        }),
      tag: text().optional().meta({ title: 'Tag', description: 'Whoever has this tag.' }),
      person: text()
        .optional()
        .meta({
          title: 'Person',
          description: 'One person: user principal name or person id.',
          examples: ['adele@contoso.com'],
        }),
      computer: text()
        .optional()
        .meta({ title: 'Computer', description: 'One computer: name or computer id.' }),
    },
    must('a map such as { group: Engineering }'),
  )
  .meta({ minProperties: 1, maxProperties: 1 })

export type TargetEntry = z.output<typeof target>
