import { malformed } from './json.ts'

/** The whole body as text (UTF-8). Throws kind malformed once it is longer than `maxBytes` after decompression. */
export async function readText(response: Response, maxBytes: number, resource: string): Promise<string> {
  if (!response.body) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the body, which closes the socket.
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    if (bytes > maxBytes)
      throw malformed('response_too_large', `The answer is larger than ${maxBytes} bytes.`, resource)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
}
