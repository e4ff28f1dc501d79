/** Legal forms that a name may or may not end with. */
const legalForms = new Set(
  (
    'inc incorporated ltd limited llc llp lp plc corp corporation co company gmbh mbh ag kg kgaa ohg ug gbr eg ev ek se sa sas ' +
    'sarl sàrl srl sl spa bv nv vof ab as asa oy oyj aps pty pte kk kft sro doo zoo'
  ).split(' '),
)

/** Letter case and blanks do not count. */
export function plainName(name: string): string {
  return name.trim().replace(/\s+/g, ' ').toLowerCase()
}

/**
 * A company's name without what people write differently: letter case, accents, punctuation, `&` for `and`, a leading
 * `The`, legal forms at the end. Empty where nothing is left.
 */
export function companyName(name: string): string {
  const words = joinLetters(
    name
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .replaceAll('ß', 'ss')
      .replace(/['’`´]/g, '')
      .replace(/[&+]/g, ' and ')
      .split(/[^\p{L}\p{N}]+/u)
      .filter(Boolean),
  )
  if (words.length > 1 && words[0] === 'the') words.shift()
  while (words.length > 1 && (legalForms.has(words.at(-1) ?? '') || words.at(-1) === 'and')) words.pop()
  return words.join(' ')
}

/** `l l c` is `llc`: single letters with dots between them are one word. */
function joinLetters(words: string[]): string[] {
  const joined: string[] = []
  let open = false
  for (const word of words) {
    const single = /^\p{L}$/u.test(word)
    if (single && open) joined[joined.length - 1] += word
    else joined.push(word)
    open = single
  }
  return joined
}
