import { median, show } from './numbers.ts'
import type { Report } from './report.ts'
import type { MetricInfo } from './scenario.ts'

const width = 760
const left = 190
const right = 90
const bar = 18
const gap = 6
const block = 34

/** Ours stands out; the rest of the field and the limit stay grey. */
const colours: Readonly<Record<string, string>> = {
  legwork: '#2563eb',
  'legwork-pglite': '#2563eb',
  limit: '#cbd5e1',
  'limit-pglite': '#cbd5e1',
}

/** Horizontal bars: a block per metric, a bar per peer, the spread as a thin line. No script, no font of its own. */
export function chart(report: Report): string {
  const metrics = Object.entries(report.scenarios).flatMap(([scenario, { metrics: all }]) =>
    Object.entries(all)
      .filter(([name]) => report.values[name])
      .map(([name, info]) => [name, { ...info, title: titleOf(scenario, info) }] as const),
  )
  const parts: string[] = []
  let y = 58
  for (const [metric, info] of metrics) {
    const drawn = blockOf(report.values[metric] ?? {}, info, y)
    parts.push(drawn.svg)
    y = drawn.end + block - gap
  }
  const height = y
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600" fill="#0f172a">Legwork beside other job queues, one run on one machine</text>
<text x="16" y="42" fill="#64748b">${escape(`${report.date} · ${report.machine} · medians of ${report.rounds} rounds`)}</text>
${parts.join('\n')}
</svg>
`
}

/** Outside its table a title must say which scenario it belongs to. */
function titleOf(scenario: string, { title }: MetricInfo): string {
  return title.startsWith(scenario) ? title : `${scenario}: ${title}`
}

function blockOf(
  values: Readonly<Record<string, readonly number[]>>,
  info: MetricInfo,
  top: number,
): { svg: string; end: number } {
  const rows = Object.entries(values)
  const most = Math.max(...rows.flatMap(([, all]) => all), Number.MIN_VALUE)
  const scale = (value: number) => (value / most) * (width - left - right)
  const title = `${info.title}, ${info.unit}${info.better === 'less' ? ' (less is better)' : ''}`
  const bars = rows.map(([peer, all], place) => {
    const y = top + 24 + place * (bar + gap)
    const middle = y + bar / 2
    const [low, high] = [left + scale(Math.min(...all)), left + scale(Math.max(...all))]
    return `<text x="${left - 10}" y="${middle + 4}" text-anchor="end" fill="#334155">${escape(peer)}</text>
<rect x="${left}" y="${y}" width="${scale(median(all)).toFixed(1)}" height="${bar}" rx="3" fill="${colours[peer] ?? '#94a3b8'}"/>
<line x1="${low.toFixed(1)}" x2="${high.toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#0f172a" stroke-opacity="0.5"/>
<text x="${(high + 8).toFixed(1)}" y="${middle + 4}" fill="#334155">${show(median(all))}</text>`
  })
  const svg = `<text x="16" y="${top + 12}" font-weight="600" fill="#0f172a">${escape(title)}</text>\n${bars.join('\n')}`
  return { svg, end: top + 24 + rows.length * (bar + gap) }
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
