/** The page of `explore`: one document with its style and script, which asks nobody but the server it comes from. */
import { escapeHtml } from "../report/html.ts";
import app from "./page/app.js" with { type: "text" };
import body from "./page/body.html" with { type: "text" };
import data from "./page/data.js" with { type: "text" };
import plots from "./page/plots.js" with { type: "text" };
import scatter from "./page/scatter.js" with { type: "text" };
import style from "./page/style.css" with { type: "text" };

/** The page's modules in the order of their imports, as one script: names are unique, so imports and exports may go. */
const script = [scatter, plots, data, app].map((module) =>
  module.replace(/^import [^;]*;\n/gm, "").replace(/^export /gm, "")
).join("\n");

async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toBase64();
}

/**
 * The document, and the policy that goes with it: only this style and this script, and no request but to where it comes from.
 * @param embedded data that the page is to carry, base64; it then asks nobody
 */
export async function pageHtml(
  { title, embedded }: { title: string; embedded?: string },
): Promise<{ text: string; policy: string }> {
  const wrapped = `"use strict";(() => {\n${script}\n})();`;
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${await sha256(wrapped)}'`,
    `style-src 'sha256-${await sha256(style)}'`,
    "img-src data:",
    `connect-src ${embedded === undefined ? "'self'" : "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
    ...embedded === undefined ? ["frame-ancestors 'none'"] : [],
  ].join("; ");
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${
    embedded === undefined
      ? ""
      : `<meta http-equiv="Content-Security-Policy" content="${policy}">\n`
  }<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body.replace("TITLE", () => escapeHtml(title))}
${
    embedded === undefined
      ? ""
      : `<script type="application/octet-stream" id="embedded">${embedded}</script>\n`
  }<script>${wrapped}</script>
</body>
</html>
`;
  return { text, policy };
}
