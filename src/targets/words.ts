/** Names of groups from the member's own up to the one that the deployment names. */
type Path = { id?: string; name?: string | null; more?: number }[]

/** A target's reason in one line, as a person would say it: Platform → Engineering. */
export function reasonText(reason: unknown): string {
  if (typeof reason !== 'object' || reason === null || !('by' in reason)) return 'unknown'
  const facts = reason as Record<string, unknown>
  const text = (key: string): string => (typeof facts[key] === 'string' ? facts[key] : '')
  switch (reason.by) {
    case 'everyone':
      return 'everyone'
    case 'group':
      return `in ${pathText(facts['groups'])}`
    case 'license':
      return `licensed: ${text('sku')}${text('service_plan') && ` (${text('service_plan')})`}`
    case 'app_entitlement':
      return (
        `entitled by ${text('sku')} (${text('service_plan')})` +
        (text('over') && `, which wins over ${text('over')} on the same person`)
      )
    case 'tag':
      return `tagged ${text('tag')}`
    case 'person':
      return 'named itself'
    case 'computer':
      return 'named itself'
    case 'moved':
      return 'moved to another tenant'
    case 'gone':
      return 'is gone'
    case 'not_targeted':
      return 'no deployment reaches it any more'
    default:
      return String(reason.by)
  }
}

function pathText(groups: unknown): string {
  if (!Array.isArray(groups)) return 'a group'
  return (groups as Path)
    .map(({ name, more }) => (more === undefined ? (name ?? 'a group without a name') : `${more} more`))
    .join(' → ')
}

const states: Record<string, string> = {
  installed: 'installed',
  uninstalled: 'uninstalled',
  update_if_found: 'updated if found',
  ignored: 'ignored',
}

/** An item with what is to become of it: "AutoCAD 2022 installed". */
export function wantedText(item: string, version: string, desiredState: string): string {
  const exact = version === 'any' ? ', any version,' : version === 'latest' ? '' : ` ${version}`
  return `${item}${exact} ${states[desiredState] ?? desiredState}`
}
