import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { EntraSyncError } from '../../src/errors.ts'
import { createLog, scrub } from '../../src/log.ts'

function logged(pretty: boolean, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  write(createLog({ level: 'info', pretty }, stream))
  return text
}

const jwt = 'eyJhbGciOiJub25lIn0.eyJ0aWQiOiJ4In0.c2ln'

describe.each([true, false])('pretty %s', (pretty) => {
  test('an error keeps its facts and its cause', () => {
    const text = logged(pretty, (log) => {
      const cause = new Error('socket closed')
      const facts = { code: 'graph_429', tenant: 'contoso', requestId: 'r-1', remedy: 'Wait.', cause }
      log.error({ err: new EntraSyncError('throttled', 'Graph said no', facts) }, 'run failed')
    })
    for (const fact of ['throttled', 'graph_429', 'contoso', 'r-1', 'Wait.', 'socket closed']) {
      expect(text).toContain(fact)
    }
  })

  test('no secret gets out, wherever it hides', () => {
    const text = logged(pretty, (log) => {
      const cause = new Error(`refused https://g/users/delta?$deltatoken=canary1 with Bearer canary2.x.y`)
      log.error(
        { err: new Error('outer', { cause }), headers: { authorization: 'canary3' } },
        `token was ${jwt}`,
      )
      log.info({ url: 'postgres://u:canary4@db/x', body: 'client_id=1&client_secret=canary5&x=1' }, 'canary')
      log.info({
        app: { clientSecret: 'canary6' },
        json: '{"refresh_token":"canary7"}',
        skip: '%24skiptoken=canary8',
      })
    })
    expect(text).not.toMatch(/canary\d/)
    expect(text).not.toContain(jwt)
    expect(text).toContain('[secret]')
  })
})

test('scrub leaves ordinary text alone', () => {
  const text = 'GET /users/delta?$select=id&$top=999 took 12 ms; see https://example.com/a@b'
  expect(scrub(text)).toBe(text)
})
