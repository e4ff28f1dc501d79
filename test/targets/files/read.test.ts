import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeProblem } from '../../../src/targets/files/places.ts'
import { readDeploymentFile } from '../../../src/targets/files/read.ts'

const told = (text: string): string[] => readDeploymentFile(text, 'd.yaml').problems.map(describeProblem)
const one = (rest: string): string => `deployments:\n  - name: a\n    item: b\n${rest}`
const target = '    target: { everyone: true }\n'

describe('what is wrong is told with its place', () => {
  test.each<[string, string, string[]]>([
    ['nothing at all', '', ['d.yaml:1:1: error: The file is empty. It must be a map with deployments.']],
    [
      'comments only',
      '# later\n',
      ['d.yaml:1:1: error: The file is empty. It must be a map with deployments.'],
    ],
    ['a list', '- a', ['d.yaml:1:1: error: The file must be a map with deployments, not a list.']],
    [
      'no deployments',
      'source: x',
      ['d.yaml:1:1: error: deployments is missing. It must be a list of deployments.'],
    ],
    [
      'YAML that is none',
      'deployments: [',
      [
        'd.yaml:1:15: error: Flow sequence in block collection must be sufficiently indented and end with a ].',
      ],
    ],
    [
      'two documents',
      'deployments: []\n---\ndeployments: []\n',
      ['d.yaml:2:1: error: A second document begins here (---). Make one file of each, or one list of both.'],
    ],
    ['a tag of YAML', 'deployments: !secret []', ['d.yaml:1:14: error: Unresolved tag: !secret.']],
    [
      'NUL',
      'deployments: []\nsource: a\0b',
      [
        'd.yaml:2:10: error: There is a NUL character here: this is no text file, or not UTF-8. Save it as UTF-8.',
      ],
    ],
    [
      'NUL that is escaped',
      one(`    version: "\\0"\n${target}`),
      ['d.yaml:4:14: error: version has a control character. Remove it.'],
    ],
    [
      'a lone surrogate',
      '{"deployments":[],"source":"\\ud800"}',
      ['d.yaml:1:28: error: source has a control character. Remove it.'],
    ],
    [
      'a key twice',
      one(`    item: c\n${target}`),
      ['d.yaml:4:5: error: item is there twice. Remove one of the two.'],
    ],
    [
      '__proto__',
      '{"deployments": [], "__proto__": {"source": "x"}}',
      [
        'd.yaml:1:21: error: "__proto__" is not a key at the top of the file. Known are $schema, source, items, deployments.',
      ],
    ],
    [
      'a typo in a key',
      one(`    desiredState: installed\n${target}`),
      ['d.yaml:4:5: error: "desiredState" is not a key in deployments[0]. Did you mean desired_state?'],
    ],
    [
      'a typo in a value',
      one(`    desired_state: instaled\n${target}`),
      [
        'd.yaml:4:20: error: desired_state must be installed, uninstalled, update_if_found or ignored, not the text "instaled". Did you mean installed?',
      ],
    ],
    [
      'a target beside its key',
      one('    group: Eng\n'),
      [
        'd.yaml:2:5: error: target is missing. It must be a map such as { group: Engineering }.',
        'd.yaml:4:5: error: "group" is not a key in deployments[0]. It belongs under target, as in target: { group: … }.',
      ],
    ],
    [
      'a typo in a target',
      one('    target: { grup: Eng }\n'),
      ['d.yaml:4:15: error: "grup" is not a key in deployments[0].target. Did you mean group?'],
    ],
    [
      'a target without key',
      one('    target: {}\n'),
      [
        'd.yaml:4:13: error: A target must have one key: everyone, group, team, group_name, license, app_entitlement, tag, person, computer.',
      ],
    ],
    [
      'two targets',
      one('    target: { tag: a, person: b }\n'),
      ['d.yaml:4:23: error: target must have one key, not 2: tag, person. Make two deployments of it.'],
    ],
    [
      'two excludes in one',
      one(`${target}    exclude: [{ tag: a, person: b }]\n`),
      ['d.yaml:5:25: error: exclude[0] must have one key, not 2: tag, person. Exclude them one by one.'],
    ],
    [
      'a target that is text',
      one('    target: everyone\n'),
      ['d.yaml:4:13: error: target must be a map such as { group: Engineering }, not the text "everyone".'],
    ],
    [
      'not everyone',
      one('    target: { everyone: false }\n'),
      ['d.yaml:4:25: error: everyone must be true, not false.'],
    ],
    [
      'nobody',
      one(`${target}    exclude: [{ everyone: true }]\n`),
      [
        'd.yaml:5:17: error: Excluding everyone leaves nobody. To keep the deployment without effect, give it enabled: false.',
      ],
    ],
    [
      'a number for text',
      one('    target: { tag: 2024 }\n'),
      ['d.yaml:4:20: error: tag must be text, not 2024. Put it in quotes: "2024".'],
    ],
    [
      'a key without value',
      one(`    tenant:\n${target}`),
      ['d.yaml:4:5: error: tenant has no value. It must be text; or remove the key.'],
    ],
    [
      'YAML 1.1 truth',
      one(`    enabled: yes\n${target}`),
      ['d.yaml:4:14: error: enabled must be true or false, not the text "yes".'],
    ],
    [
      'a broken rank',
      one(`    rank: 1.5\n${target}`),
      ['d.yaml:4:11: error: rank must be a whole number, not 1.5.'],
    ],
    [
      'too large a rank',
      one(`    rank: 3000000000\n${target}`),
      ['d.yaml:4:11: error: rank is larger than 2147483647.'],
    ],
    [
      'an empty filter',
      one(`    filters: { domains: [] }\n${target}`),
      ['d.yaml:4:25: error: domains is an empty list: that would let nobody through. Remove it.'],
    ],
    [
      'a filter that is no list',
      one(`    filters: { domains: contoso.com }\n${target}`),
      ['d.yaml:4:25: error: domains must be a list, as in [contoso.com], not the text "contoso.com".'],
    ],
    [
      'an empty name',
      'deployments: [{ name: " ", item: b, target: { tag: a } }]',
      ['d.yaml:1:23: error: name is empty.'],
    ],
    [
      'a pattern of everything',
      one("    target: { group_name: { pattern: '?**' } }\n"),
      [
        'd.yaml:4:38: error: The pattern ?** says nothing about a name: it would take every group. Add some letters, or use everyone: true.',
      ],
    ],
    [
      'SKU and plan',
      one('    target: { license: { sku: a, plan: b } }\n'),
      [
        'd.yaml:4:34: error: "plan" is not a key in deployments[0].target.license. Give one of sku and plan only.',
      ],
    ],
    [
      'a group of no tenant',
      one('    target: { group: Eng }\n'),
      [
        'd.yaml:4:22: error: In which tenant is the group "Eng"? Add tenant, or use its object id, or group_name for groups of that name in every tenant.',
      ],
    ],
    [
      'a group in every tenant',
      one('    scope: cross_tenant\n    target: { team: 11111111-1111-1111-1111-111111111111 }\n'),
      [
        'd.yaml:4:12: error: A team belongs to one tenant, so the scope cannot be cross_tenant. Leave scope out, or use group_name for groups of that name in every tenant.',
      ],
    ],
    [
      'a person in every tenant',
      one('    scope: cross_tenant\n    target: { person: a@b.c }\n'),
      ['d.yaml:4:12: error: The scope of a deployment for one person is individual. Leave scope out.'],
    ],
    [
      'an individual everyone',
      one(`    scope: individual\n${target}`),
      [
        'd.yaml:4:12: error: The scope individual is for a person or a computer. Leave scope out, or change the target.',
      ],
    ],
    [
      'one tenant, but which',
      one(`    scope: single_tenant\n${target}`),
      ['d.yaml:4:12: error: The scope single_tenant needs a tenant. Add one, or leave scope out.'],
    ],
    [
      'a name twice',
      `deployments:\n  - { name: a, item: b, target: { tag: a } }\n  - { name: a, item: c, target: { tag: a } }\n`,
      [
        'd.yaml:3:13: error: "a" is there twice: deployments[0] has this name as well. Rename one of the two.',
      ],
    ],
    [
      'an item twice',
      'deployments: []\nitems: [{ name: a }, { name: A }]',
      ['d.yaml:2:30: error: "A" is there twice: items[0] has this name as well. Rename one of the two.'],
    ],
    [
      'the source of SQL',
      'source: table\ndeployments: []',
      [
        'd.yaml:1:9: error: source must not be table: that stands for deployments written by SQL or the API, which a file may not prune.',
      ],
    ],
    ['an alias of nothing', one('    target: *who\n'), ['d.yaml:4:13: error: There is no &who before *who.']],
    [
      'an alias of itself',
      'deployments: &a [*a]',
      ['d.yaml:1:18: error: *a stands inside of &a: it would have no end.'],
    ],
  ])('%s', (_, text, problems) => {
    expect(told(text)).toEqual(problems)
  })

  test('all at once, in the order of the lines, and what is right is kept', () => {
    const parsed = readDeploymentFile(
      `extra: 1\ndeployments:\n  - { name: 1, item: 2, target: { tag: [] } }\n  - { name: good, item: b, target: { tag: a } }\n`,
      'd.yaml',
    )
    expect(parsed.problems.map(({ place }) => [place.line, place.column, place.path])).toEqual([
      [1, 1, 'extra'],
      [3, 13, 'deployments[0].name'],
      [3, 22, 'deployments[0].item'],
      [3, 40, 'deployments[0].target.tag'],
    ])
    expect(parsed.deployments.map(({ entry }) => entry.name)).toEqual(['good'])
  })
})

describe('files that would do harm', () => {
  test('too large', () => {
    expect(told(`# ${'x'.repeat(2 * 1024 * 1024)}`)).toEqual([
      'd.yaml:1:1: error: The file has 2097154 bytes; at most 2097152 are read. Split it.',
    ])
  })

  test('too deep', () => {
    expect(told('['.repeat(500_000))).toEqual([
      'd.yaml:1:1: error: Lists and maps are nested too deep in this file to be read.',
    ])
  })

  test('a bomb of aliases', () => {
    const levels = Array.from({ length: 20 }, (_, at) => {
      const filled = at === 0 ? 'x' : `*l${at - 1}`
      return `l${at}: &l${at} [${Array.from({ length: 10 }, () => filled).join(', ')}]`
    })
    const problems = told(`${levels.join('\n')}\ndeployments: []\n`)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(
      /^d\.yaml:\d+:\d+: error: With all its aliases the file has more than 500000 values\.$/,
    )
  })

  test('many keys in one map', () => {
    const keys = Array.from({ length: 100_000 }, (_, at) => `k${at}: 1`).join('\n')
    expect(told(keys)).toHaveLength(1000)
  })
})

describe('what is read', () => {
  const read = (text: string) =>
    readDeploymentFile(text, 'folder/d.yaml').deployments.map(({ entry }) => entry)

  test.each([
    ['2022', '2022'],
    ['1.10', '1.10'],
    ['20220101000000000001', '20220101000000000001'],
    ["'2022'", '2022'],
    ['24.1.3', '24.1.3'],
    ['LATEST', 'latest'],
    ['Any', 'any'],
  ])('version %s as it is written', (written, version) => {
    expect(read(one(`    version: ${written}\n${target}`))).toMatchObject([{ version }])
  })

  test('what is left out has its default; the source is the name of the file', () => {
    expect(read(one(target))).toEqual([
      {
        name: 'a',
        item: 'b',
        version: 'latest',
        desired_state: 'installed',
        enforcement: 'required',
        target: { everyone: true },
        exclude: [],
        enabled: true,
        rank: 100,
      },
    ])
    expect(readDeploymentFile('deployments: []', 'folder/d.yaml').source).toBe('d.yaml')
    expect(readDeploymentFile('{"deployments": [], "source": "ours"}', 'd.json').source).toBe('ours')
  })

  test('anchors and merge keys, whose problems have the place of the anchor', () => {
    const text = `deployments:
  - &first { name: a, item: b, version: 1.10, target: &who { tag: x }, filters: &f { guests: only } }
  - { <<: *first, name: c, target: *who, filters: *f }
  - { <<: [{ rank: no }, *first], name: d }
`
    expect(read(text)).toMatchObject([
      { name: 'a' },
      { name: 'c', item: 'b', version: '1.10', target: { tag: 'x' }, filters: { guests: 'only' } },
    ])
    expect(told(text)).toEqual(['d.yaml:4:20: error: rank must be a whole number, not the text "no".'])
  })
})

test('no text makes it throw', () => {
  const keys = fc.constantFrom(
    'deployments',
    'items',
    'name',
    'item',
    'target',
    'group',
    'group_name',
    'pattern',
    'license',
    'sku',
    'exclude',
    'filters',
    'version',
    'tenant',
    'scope',
    'everyone',
    '__proto__',
    '<<',
    'source',
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.constantFrom('a', 'cross_tenant', 'everyone'),
      ),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.array(fc.tuple(keys, tie('tree')), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
    ),
  }))
  const fragments = fc.array(
    fc.constantFrom(
      'deployments:',
      '\n',
      '  ',
      '- ',
      'name: a',
      '&a ',
      '*a',
      '<<: ',
      '{',
      '}',
      '[',
      ']',
      ': ',
      '? ',
      '"',
      "'",
      '|',
      '>',
      '!!x ',
      '---',
      '#',
      '%YAML 1.1\n',
      'version: 1.10',
      'target:',
      '\t',
      '\0',
      ',',
      '🙂',
    ),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        tree.map((value) => JSON.stringify(value)),
        fragments.map((parts) => parts.join('')),
      ),
      (text) => {
        const { problems, deployments, placeOf } = readDeploymentFile(text, 'd.yaml')
        for (const { message, place } of problems) {
          expect(message).toMatch(/[.?!]$/)
          expect(place.line).toBeGreaterThan(0)
          expect(place.column).toBeGreaterThan(0)
        }
        for (const { entry, path } of deployments) {
          expect(entry.name).not.toBe('')
          expect(placeOf(path).line).toBeGreaterThan(0)
        }
      },
    ),
    { numRuns: 2000 },
  )
})
