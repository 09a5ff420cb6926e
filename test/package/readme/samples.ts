import { posix } from 'node:path'

/** A block of code in a document. */
export interface Sample {
  /** The document, as a folder name. */
  readonly page: string
  /** The module it becomes: the name that stands in the line before it, or a number. */
  readonly file: string
  readonly language: 'ts' | 'sql'
  readonly text: string
  /** Whether it can run as it stands; `<!-- not run -->` before a block says that it cannot. */
  readonly run: boolean
}

/** The blocks of TypeScript and SQL of a document, in order. */
export function samplesOf(path: string, markdown: string): Sample[] {
  const page = path.replace(/\.md$/, '').replaceAll(posix.sep, '-')
  return [...markdown.matchAll(/(?<before>[^\n]*)\n\n?```(?<language>ts|sql)\n(?<text>.*?)\n```/gs)].map(
    (match, index) => {
      const { before = '', language = 'ts', text = '' } = match.groups ?? {}
      const file = /^`([\w./-]+\.ts)`:?$/.exec(before)?.[1] ?? `sample-${index + 1}.${language}`
      return { page, file, language: language as Sample['language'], text, run: !before.includes('<!-- not run -->') }
    },
  )
}

/** The text of a sample with the imports of what it takes for granted. */
export function moduleOf(sample: Sample, given: readonly string[]): string {
  const missing = given.filter((name) => uses(sample.text, name) && !declares(sample.text, name))
  const imports = missing.length > 0 ? `import { ${missing.join(', ')} } from 'given'\n` : ''
  return `${imports}${sample.text}\nexport {}\n`
}

function uses(text: string, name: string): boolean {
  return new RegExp(`(?<![.'\\w])${name}\\b(?!['\\w])`).test(text)
}

function declares(text: string, name: string): boolean {
  return new RegExp(`\\b(?:const|let|function|class) ${name}\\b|import [^\\n]*\\b${name}\\b[^\\n]* from`).test(text)
}
