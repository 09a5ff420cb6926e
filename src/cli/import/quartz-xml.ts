import type { XmlElement } from '@rgrove/parse-xml'
import { LegworkError } from '../../core/errors.ts'

type Tree = string | { readonly [name: string]: unknown }

/** XML as objects: the names in lower case and without hyphens, elements of one name as a list, triggers with their line. */
export async function readXml(text: string): Promise<unknown> {
  const { parseXml, XmlElement: Element } = await import('@rgrove/parse-xml')
  const treeOf = (element: XmlElement): Tree => {
    const children = element.children.filter((child): child is XmlElement => child instanceof Element)
    if (children.length === 0) return element.text.trim()
    const tree: Record<string, unknown> = { line: `line ${lineOf(text, element.start)}` }
    for (const child of children) {
      const name = child.name.replace(/^.*:/, '').replaceAll(/[-_]/g, '').toLowerCase()
      const known = tree[name]
      if (known === undefined) tree[name] = treeOf(child)
      else tree[name] = Array.isArray(known) ? [...(known as unknown[]), treeOf(child)] : [known, treeOf(child)]
    }
    return tree
  }
  try {
    const { root } = parseXml(text.trimStart(), { includeOffsets: true })
    return root ? treeOf(root) : {}
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n', 1)[0] : ''
    throw new LegworkError('LW_OPTION_INVALID', `The file is not XML: ${message}.`, { cause: error })
  }
}

function lineOf(text: string, offset: number): number {
  return (
    text.trimStart().slice(0, offset).split('\n').length +
    (text.length - text.trimStart().length > 0 ? leadingLines(text) : 0)
  )
}

function leadingLines(text: string): number {
  return text.slice(0, text.length - text.trimStart().length).split('\n').length - 1
}
