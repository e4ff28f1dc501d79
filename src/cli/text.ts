import { stripVTControlCharacters } from 'node:util'

const controls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const wide =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}\uFF01-\uFF60]/u
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * Text of a directory made safe to print: escape sequences, control characters and those that turn the direction of
 * writing are dropped. A display name is whatever somebody typed into Entra, and must not move the cursor.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\t\r\n]+/g, ' ')
    .replace(controls, '')
}

/** Columns of a terminal that `text` takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/** `text` in at most `width` columns, its end replaced by `…` where it is longer. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    used += wide.test(segment) ? 2 : 1
    if (used > width - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** How long ago, for people: `12 s`, `5 min`, `3 h`, `2 d`; `never` for null. */
export function age(at: Date | null, now: Date): string {
  if (at === null) return 'never'
  const seconds = Math.max(0, Math.round((now.getTime() - at.getTime()) / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

export function number(value: number): string {
  return value.toLocaleString('en')
}
