/** The CA that test processes trust from their start, for `startCloud({ ca })`. */
export function testCa(): { certFile: string; keyFile: string } {
  const certFile = process.env.NODE_EXTRA_CA_CERTS
  const keyFile = process.env.ENTRA_SYNC_TEST_CA_KEY
  if (!certFile || !keyFile) throw new Error('Run the tests through vitest: its global setup makes the CA.')
  return { certFile, keyFile }
}
