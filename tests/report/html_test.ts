import { escapeHtml, html } from "../../src/report/html.ts";
import { pageOf } from "../../src/report/page.ts";
import { assertEquals, assertStringIncludes, assertTrue } from "../../src/common/std.ts";

Deno.test("what fills a template is text, unless it was made by one", () => {
  const hostile = `</td><script>alert("1")</script>'&`;
  const made = html`<td title="${hostile}">${hostile}</td>`;
  assertEquals(
    made.text,
    '<td title="&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;">' +
      "&lt;/td&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;</td>",
  );
  assertEquals(
    html`<tr>${[made, html`<td>${3}</td>`]}${null}${undefined}</tr>`.text,
    `<tr>${made.text}<td>3</td></tr>`,
  );
  assertEquals(escapeHtml("plain"), "plain");
});

Deno.test("a page's policy lets nothing run but its own script, and nothing be loaded", async () => {
  const page = await pageOf("a <title>", html`<p>${"<script>x</script>"}</p>`);
  assertTrue(page.startsWith("<!doctype html>"));
  assertStringIncludes(page, "<title>a &lt;title&gt;</title>");
  const [, script] = /<script>([^]*?)<\/script>/.exec(page)!;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(script));
  assertStringIncludes(page, `default-src &#39;none&#39;`);
  assertStringIncludes(page, `script-src &#39;sha256-${new Uint8Array(digest).toBase64()}&#39;`);
});
