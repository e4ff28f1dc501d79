import { readFileSync } from 'node:fs'
import { z } from 'zod'

/**
 * Names of products by SKU id, out of Microsoft's "Product names and service plan identifiers" (July 2026): Graph tells
 * part numbers only. Three SKUs have two names there; the shorter one is kept.
 */
const names = new Map(
  Object.entries(
    z
      .record(z.guid(), z.string())
      .parse(JSON.parse(readFileSync(new URL('product-names.json', import.meta.url), 'utf8'))),
  ),
)

/** The product's name as Microsoft sells it; null = newer than our table. */
export function productName(skuId: string): string | null {
  return names.get(skuId.toLowerCase()) ?? null
}
