export const css = `
:root {
  --page: #f7f4ee; --card: #fffdf9; --text: #26221c; --quiet: #766d60; --line: #e4ddd0; --accent: #a4472a;
  --good: #2f6f4e; --bad: #b3261e; --wait: #9a6400; color-scheme: light;
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font: 600 2rem/1.2 Georgia, serif; margin: 0 0 .25rem; }
h2 { font: 600 1.15rem/1.3 Georgia, serif; margin: 0 0 .9rem; }
p { margin: 0; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.quiet { color: var(--quiet); }
.columns { display: grid; grid-template-columns: 3fr 2fr; gap: 1.5rem; margin-top: 1.75rem; align-items: start; }
@media (max-width: 44rem) { .columns { grid-template-columns: 1fr; } }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.4rem 1.5rem; }
.products { display: grid; gap: .6rem; margin: 0 0 1.2rem; border: 0; padding: 0; }
.product { display: grid; grid-template-columns: auto 2.2rem 1fr auto; gap: .75rem; align-items: center; padding: .6rem .9rem; border: 1px solid var(--line); border-radius: .6rem; cursor: pointer; }
.product:has(:checked) { border-color: var(--accent); background: #fbefe8; }
.product input { accent-color: var(--accent); margin: 0; }
.symbol { display: grid; place-items: center; width: 2.2rem; height: 2.2rem; border-radius: 50%; background: #f0e4d6; color: var(--accent); font: 600 1.05rem Georgia, serif; }
.product small, li small { display: block; color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; }
.price { font-variant-numeric: tabular-nums; }
.fields { display: grid; grid-template-columns: 6rem 1fr; gap: .9rem; }
.fields label { display: grid; gap: .25rem; font-size: .9rem; color: var(--quiet); }
.fields .wide { grid-column: 1 / -1; }
.fields input, .fields select { width: 100%; font: inherit; color: var(--text); padding: .5rem .65rem; border: 1px solid var(--line); border-radius: .45rem; background: #fff; }
button { font: inherit; font-weight: 600; margin-top: 1.2rem; padding: .65rem 1.5rem; border: 0; border-radius: .5rem; background: var(--accent); color: #fff; cursor: pointer; }
button:hover { filter: brightness(1.08); }
.message { margin-top: 1.25rem; padding: .8rem 1rem; border-radius: .6rem; border: 1px solid #e9c3bd; background: #fbeae7; color: var(--bad); }
ol { list-style: none; margin: 0; padding: 0; }
.leaders li { display: flex; justify-content: space-between; gap: 1rem; padding: .45rem 0; border-top: 1px solid var(--line); }
.leaders li:first-child { border-top: 0; }
.badge { display: inline-block; padding: .15rem .8rem; border-radius: 1rem; font-size: .9rem; font-weight: 600; background: #eee7da; color: var(--quiet); vertical-align: middle; }
.badge.confirmed { background: #dcefe4; color: var(--good); }
.badge.failed { background: #fbe0dc; color: var(--bad); }
.badge.processing { background: #faecd0; color: var(--wait); }
.steps li { display: grid; grid-template-columns: 1.6rem 1fr auto; gap: .5rem; padding: .5rem 0; border-top: 1px solid var(--line); }
.steps li:first-child { border-top: 0; }
.steps time { color: var(--quiet); font-size: .85rem; font-variant-numeric: tabular-nums; }
.mark { font-weight: 700; text-align: center; color: var(--quiet); }
.done .mark { color: var(--good); }
.failed .mark { color: var(--bad); }
.undone .mark { color: var(--wait); }
.coming { color: #a99f90; }
.busy .mark { animation: turn 1.2s linear infinite; color: var(--wait); }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { .busy .mark { animation: none; } }
dl { display: grid; grid-template-columns: auto 1fr; gap: .4rem 1.2rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.back { display: inline-block; margin-top: 1.75rem; }
`
