/** One HTML file that needs nothing but itself: styles, a few lines of script, figures as SVG. */
import { type Content, Html, html } from "./html.ts";

const style = `
:root { color-scheme: light dark; --text: #1a1a1a; --page: #fcfcfa; --line: #d4d4d0; --soft: #5c5c58; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e6e1; --page: #17181a; --line: #3b3d40; --soft: #a9a8a3; --link: #7db8f0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 4rem; max-width: 62rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 46rem; }
.soft, figcaption small { color: var(--soft); }
nav ul { list-style: none; margin: .75rem 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
a { color: var(--link); }
figure { margin: 1.5rem 0 2rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto; }
.card svg { display: block; width: 100%; height: auto; margin: 0 auto; }
figure.column { max-width: 36rem; }
figure.page .card svg { min-width: 36rem; }
figcaption { margin-top: .6rem; font-size: .92rem; max-width: 46rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; margin: .75rem 0 .25rem; min-width: 20rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .35rem; max-width: min(46rem, calc(100vw - 2rem)); }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom-width: 2px; }
td { max-width: 26rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { text-align: right; }
button { font: inherit; font-size: .85rem; padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 4px;
  background: transparent; color: inherit; cursor: pointer; }
details { margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { white-space: pre-wrap; font-size: .82rem; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; }
.mistakes { display: none; }
.mistakes:target { display: block; }
h4 { margin: 1rem 0 .5rem; font-size: 1rem; }
h4 a { font-weight: 400; margin-left: .75rem; }
.panels { display: flex; flex-wrap: wrap; gap: .75rem; }
figure.panel { margin: 0; width: 12rem; }
figure.panel svg { width: 100%; height: auto; border: 1px solid var(--line); border-radius: 4px; display: block; }
figure.panel figcaption { margin-top: .2rem; font-size: .78rem; line-height: 1.3; }
@media print {
  :root { color-scheme: light; --text: #000; --page: #fff; --line: #bbb; --soft: #444; --link: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  button, nav { display: none; }
  figure, table { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .card, .table { overflow: visible; border: 0; padding: 0; }
  figure.column .card svg { width: 8.5cm; margin: 0; }
  figure.page .card svg { width: 17.6cm; max-width: 100%; min-width: 0; margin: 0; }
}
`;

// Where a page may not use the clipboard (a file that was opened from disk, in some browsers), the selection is copied.
const script = `
document.addEventListener("click", async ({ target }) => {
  if (!target.matches("button[data-csv]")) return;
  const text = target.dataset.csv;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  target.textContent = "Copied";
  setTimeout(() => target.textContent = "Copy as CSV", 1500);
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => part.open = true));
`;

/**
 * A whole page. Its policy lets nothing be loaded, and no script run but the one that is written here.
 * @param body what stands in it
 */
export async function pageOf(title: string, body: Content): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(script)))
    .toBase64();
  const policy =
    `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  return html`
    <!doctype html>
    <html lang="en">
      <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    ${new Html(`<style>${style}</style>`)}
      </head>
      <body>
    ${body}
    ${new Html(`<script>${script}</script>`)}
      </body>
    </html>
  `.text.trimStart();
}
