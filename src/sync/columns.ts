/** Graph's property names as column names: `onPremisesSamAccountName` → `on_premises_sam_account_name`. */
export function columnsOf(fields: object): Record<string, string | boolean | null> {
  const row: Record<string, string | boolean | null> = {}
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (typeof value === 'string' || typeof value === 'boolean' || value === null)
      row[columnName(name)] = value
  }
  return row
}

const names = new Map<string, string>()

function columnName(property: string): string {
  let name = names.get(property)
  if (name === undefined) {
    name = property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    names.set(property, name)
  }
  return name
}
