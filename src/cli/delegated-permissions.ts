import { delegatedPermissions, type DelegatedPermission } from '../permissions.ts'
import { recordLines } from './records.ts'

/** Delegated permissions of the same registration, which pre-consent through a partner's user needs. */
export function delegatedLines(width: number | null): string[] {
  return recordLines<DelegatedPermission>(
    [
      { title: 'Delegated, for pre-consent only', value: ({ name }) => name },
      { title: 'API', value: ({ api }) => api },
      { title: 'Consented to in', value: ({ where }) => where },
      { title: 'For', value: ({ purpose }) => purpose },
    ],
    [...delegatedPermissions],
    width,
  )
}
