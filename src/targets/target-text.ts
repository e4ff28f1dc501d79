import type { TargetType } from '../db/tables.ts'

/** A deployment's target in words; `name` stands for an id where it is known. */
export function targetText({
  targetType,
  target,
  targetName,
}: {
  targetType: TargetType
  target: Record<string, string>
  targetName?: string | null
}): string {
  const value = (...keys: string[]): string =>
    targetName ?? keys.map((key) => target[key]).find((one) => one !== undefined) ?? ''
  switch (targetType) {
    case 'everyone':
      return 'everyone'
    case 'group':
      return `group ${value('group_id')}`
    case 'team':
      return `Team ${value('group_id')}`
    case 'group_name':
      return `groups named ${value('name', 'pattern')}`
    case 'license':
      return `licence ${value('sku_id', 'service_plan_id')}`
    case 'app_entitlement':
      return `entitled to ${value('entitlement')}`
    case 'tag':
      return `tag ${value('tag')}`
    case 'person':
      return `person ${value('person_id')}`
    case 'computer':
      return `computer ${value('computer_id')}`
  }
}
