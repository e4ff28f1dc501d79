/** Case, blanks, _ and - are no difference worth a suggestion's place. */
const plain = (text: string): string => text.toLowerCase().replaceAll(/[\s_-]+/g, '')

/**
 * Those of the names that somebody may have meant, the nearest first, at most three: they differ by case and signs, by
 * a few letters, or one begins with the other.
 */
export function nearest(text: string, names: Iterable<string>): string[] {
  const wanted = plain(text)
  if (wanted === '') return []
  const most = Math.min(3, Math.floor(wanted.length / 3))
  const found: { name: string; distance: number }[] = []
  for (const name of new Set(names)) {
    const other = plain(name)
    const distance = distanceOf(wanted, other, most)
    if (distance <= most) found.push({ name, distance })
    else if (
      wanted.length >= 4 &&
      (other.startsWith(wanted) || (other.length >= 4 && wanted.startsWith(other)))
    ) {
      found.push({ name, distance: most + Math.abs(wanted.length - other.length) })
    }
  }
  return found
    .toSorted((one, other) => one.distance - other.distance || (one.name < other.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}

/** ` Did you mean a or b?`, or nothing. */
export function didYouMean(text: string, names: Iterable<string>): string {
  const near = nearest(text, names)
  return near.length === 0 ? '' : ` Did you mean ${near.join(' or ')}?`
}

const cell = (row: readonly number[], at: number): number => row[at] ?? 0

/** Letters to change, add, drop or swap with a neighbour; above `most` no exact number is told. */
function distanceOf(one: string, other: string, most: number): number {
  if (Math.abs(one.length - other.length) > most) return most + 1
  let older: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i]
    let smallest = i
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1]
      let cost = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, cell(last, j - 1) + (same ? 0 : 1))
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) {
        cost = Math.min(cost, cell(older, j - 2) + 1)
      }
      row.push(cost)
      smallest = Math.min(smallest, cost)
    }
    if (smallest > most) return most + 1
    older = last
    last = row
  }
  return cell(last, other.length)
}
