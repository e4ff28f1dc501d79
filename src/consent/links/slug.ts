const maxLength = 60

/** A name as lower-case words with dashes, as `tenants.slug` wants it; `tenant` where nothing is left of the name. */
export function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, maxLength)
    .replace(/^-+|-+$/g, '')
  return slug === '' ? 'tenant' : slug
}

/** `slugOf(name)`, with the first free number where it is in `taken`; adds what it returns to `taken`. */
export function uniqueSlug(name: string, taken: Set<string>): string {
  const base = slugOf(name)
  let slug = base
  for (let number = 2; taken.has(slug); number++) slug = `${base}-${number}`
  taken.add(slug)
  return slug
}
