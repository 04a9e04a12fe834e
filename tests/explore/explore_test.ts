/** The page of explore in a real browser: from looking to labels, and back. */
import type { Page } from "npm:puppeteer-core@25.16.0";
import { EmbeddingFile } from "../../src/discover/embedding_file.ts";
import { handlerOf } from "../../src/explore/server.ts";
import { Session } from "../../src/explore/session.ts";
import { openParquet } from "../../src/files/parquet.ts";
import { seeded } from "../../src/common/random.ts";
import { assertEquals, assertStringIncludes, assertTrue, parseCsv } from "../../src/common/std.ts";
import { Database, text } from "../../src/survey/duckdb.ts";
import { run as preprocessing } from "../survey/support.ts";
import { Running, succeed } from "../tasks/support.ts";
import { browserTest, opened, until } from "./browser.ts";

const hostileId = "<img src=x onerror=window.hacked=1>",
  hostileClass = '"><script>window.hacked=1</script>\u202e\u0007';

/** Eighty light curves in two groups, left and right on the map, with ids and classes that try to be more than text. */
async function survey(folder: string): Promise<{ data: string; embeddings: string }> {
  const ids = Array.from({ length: 80 }, (_, i) => i === 0 ? hostileId : `star ${i}`);
  const lines = ["id,mjd,mag,err"], random = seeded(4);
  for (const [i, id] of ids.entries()) {
    for (let k = 0; k < 60; k++) {
      const mjd = 59_000 + 1.37 * k + random.next(), period = i < 40 ? 3 : 17;
      lines.push(
        [id, mjd, 15 + Math.sin(2 * Math.PI * mjd / period) + 0.05 * random.normal(), 0.05].join(","),
      );
    }
  }
  await Deno.writeTextFile(`${folder}/survey.csv`, lines.join("\n"));
  const data = `${folder}/data`, embeddings = `${folder}/e.parquet`;
  await preprocessing({ input: [`${folder}/survey.csv`], output: data });
  const columns = {
    id: "text",
    class: "text",
    points: "int32",
    umap_x: "float32",
    umap_y: "float32",
    embedding: "list of float32",
  } as const;
  using file = await openParquet(embeddings, columns);
  file.write(ids.map((id, i) => {
    const side = i < 40 ? -1 : 1;
    return {
      id,
      class: i === 0 ? hostileClass : i < 40 ? "fast" : "slow",
      points: 60 + i,
      umap_x: side * (0.5 + 0.4 * random.next()),
      umap_y: random.next() - 0.5,
      embedding: Float32Array.from({ length: 6 }, () => side + random.normal()),
    };
  }));
  file.finish();
  return { data, embeddings };
}

const status = (page: Page) => page.$eval("#status", (node) => node.textContent ?? "");

const fill = (page: Page, selector: string, value: string) =>
  page.evaluate(`document.querySelector("${selector}").value = ${JSON.stringify(value)}`);
const valueIn = async (page: Page, selector: string) =>
  await page.evaluate(`document.querySelector("${selector}").value`) as string;

async function lasso(page: Page, side: "left" | "right"): Promise<void> {
  const { x, y, width, height } = (await (await page.$("#points"))!.boundingBox())!;
  const [from, to] = side === "left" ? [x + 4, x + width / 2 - 4] : [x + width / 2 + 4, x + width - 4];
  const [top, bottom] = [y + 4, y + height - 4];
  await page.keyboard.press("s");
  await page.mouse.move(from, top);
  await page.mouse.down();
  for (const [px, py] of [[to, top], [to, bottom], [from, bottom]]) {
    await page.mouse.move(px, py, { steps: 3 });
  }
  await page.mouse.up();
  await until(page, "/selected by a lasso/.test(document.querySelector('#status').textContent)");
}

browserTest(
  "load, hover, click, walk, select, label, train, find, export; nobody else gets in",
  async (browser) => {
    const folder = await Deno.makeTempDir(), labels = `${folder}/labels.csv`;
    const { data, embeddings } = await survey(folder);
    const common = ["--embeddings", embeddings, "--data", data, "--labels", labels];
    const running = new Running(["explore", ...common]);
    try {
      await running.until("?token=");
      const [url] = /http:\S+/.exec(running.stdout)!, origin = new URL(url).origin;

      // Without the token, with a wrong one, and under another name
      for (const other of [`${origin}/`, `${origin}/?token=wrong`, `${origin}/labels`, `${origin}/start`]) {
        const response = await fetch(other);
        assertEquals(response.status, 403, other);
        await response.body?.cancel();
      }
      const stranger = await (await browser.createBrowserContext()).newPage();
      assertEquals((await stranger.goto(origin))!.status(), 403);

      const { page, errors, requests } = await opened(browser, url);
      assertStringIncludes(await page.$eval("#axes", (node) => node.textContent!), "80 light curves, UMAP");
      const legend = await page.$$eval("#legend button", (nodes) => nodes.map((node) => node.textContent));
      assertEquals(legend.length, 3);
      assertTrue(
        legend.some((entry) => entry!.includes("<script>window.hacked=1</script>\\u202e\\u0007")),
        "a text",
      );

      // Hover, then click: the same light curve
      const box = (await (await page.$("#points"))!.boundingBox())!;
      await page.focus("#points");
      await page.keyboard.press("Enter");
      await until(page, "!document.querySelector('#object').hidden");
      const opening = await page.$eval("#object h2", (node) => node.textContent!);
      assertTrue(/^(star \d+|<img)/.test(opening), opening);
      assertEquals((await page.$$("#neighbors button")).length, 10);
      await until(page, "Number(document.querySelector('#period').value) > 0"); // found by the server
      // Its own ring is at its place: hover there.
      const found = await page.evaluate(
        async (token: string, title: string) => {
          const ask = (path: string) => fetch(path, { headers: { "x-token": token } });
          const positions = new Float32Array(await (await ask("/positions")).arrayBuffer());
          const id = title.replace(/, (fast|slow|").*$/s, "");
          const [row] = await (await ask(`/filter?text=${encodeURIComponent(id)}`)).json();
          return { row, x: positions[2 * row], y: positions[2 * row + 1] };
        },
        new URL(url).searchParams.get("token")!,
        opening,
      );
      const unit = 2.1 / Math.min(box.width, box.height);
      const at = [box.x + box.width / 2 + found.x / unit, box.y + box.height / 2 - found.y / unit];
      await page.mouse.move(at[0] + 1, at[1]);
      await until(page, "!document.querySelector('#tip').hidden");
      assertTrue(
        opening.startsWith(await page.$eval("#tip b", (node) => node.textContent!)),
        "the one that is hovered over",
      );
      await page.mouse.click(at[0], at[1]);
      await until(page, `document.querySelector('#object h2').textContent === ${JSON.stringify(opening)}`);

      // Keys: to a neighbor and back; half the period
      await page.keyboard.press("n");
      await until(page, "/neighbor 1 of 10/.test(document.querySelector('#status').textContent)");
      await page.keyboard.press("n");
      await until(page, "/neighbor 2 of 10/.test(document.querySelector('#status').textContent)");
      await until(page, "Number(document.querySelector('#period').value) > 0");
      const period = Number(await valueIn(page, "#period"));
      await page.click("[data-factor='0.5']");
      assertTrue(
        Math.abs(
          Number(await valueIn(page, "#period")) - period / 2,
        ) < 1e-6 * period,
      );

      // Lasso each side, and label it
      for (const [side, name] of [["left", "quick"], ["right", hostileClass]] as const) {
        await page.keyboard.press("Escape");
        await page.evaluate("document.activeElement?.blur()");
        await lasso(page, side);
        assertStringIncludes(await status(page), "40 selected");
        await fill(page, "#class", name);
        await page.click("#give");
        await until(page, "/40 labelled/.test(document.querySelector('#status').textContent)");
      }
      const written = parseCsv(await Deno.readTextFile(labels), { skipFirstRow: true });
      assertEquals(written.length, 80);
      assertEquals(written.filter((line) => line.class === "quick").length, 40);
      assertTrue(written.some((line) => line.id === hostileId && line.class === "quick"));

      // Take some back, so that there is something to propose
      await page.keyboard.press("Escape");
      await page.evaluate("document.activeElement?.blur()");
      await page.type("#query", "points > 125 OR points < 75");
      await page.keyboard.press("Enter");
      await until(page, "/29 selected by the condition/.test(document.querySelector('#status').textContent)");
      await page.click("#take");
      await until(page, "/29 labels removed/.test(document.querySelector('#status').textContent)");
      await page.click("#train");
      await until(page, "/Trained on 51 labels/.test(document.querySelector('#status').textContent)");
      assertEquals(await valueIn(page, "#color"), "prediction");
      assertTrue((await page.$$("#next button")).length >= 10);
      const right = Number(
        /(\d+) % of them/.exec(await page.$eval("#result", (node) => node.textContent!))![1],
      );
      assertTrue(right > 90, `${right} %`);

      // Find: an id, a condition that is none, one that would reach out
      const find = async (asked: string) => {
        await fill(page, "#query", asked);
        await page.click("#find button");
      };
      await find(hostileId);
      await until(
        page,
        `document.querySelector('#object h2').textContent.startsWith(${JSON.stringify(hostileId)})`,
      );
      await find("no such column = 1");
      await until(page, "document.querySelector('#status.error') !== null");
      for (
        const reach of [
          `id IN (SELECT content FROM read_text('${embeddings}'))`,
          "true); DROP TABLE objects; --",
        ]
      ) {
        await page.evaluate("document.querySelector('#status').classList.remove('error')");
        await find(reach);
        await until(page, "document.querySelector('#status.error') !== null");
      }

      // Dark, a phone, help; what a screen reader is told
      await page.click("#theme");
      await page.setViewport({ width: 390, height: 780 });
      assertTrue(
        await page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
        "nothing sticks out",
      );
      await page.click("#help");
      assertTrue(await page.evaluate("document.querySelector('#keys').open"));
      await page.keyboard.press("Escape");
      const unnamed = await page.evaluate(`
      [...document.querySelectorAll("button, input, select, canvas[role=img]")].filter((node) =>
        !(node.textContent.trim() || node.getAttribute("aria-label") || node.labels?.length)
      ).map((node) => node.outerHTML)`);
      assertEquals(unnamed, [], "all controls have names");

      assertEquals(await page.evaluate("globalThis.hacked"), undefined);
      const refused = errors.filter((error) => !/400 \(Bad Request\)/.test(error));
      assertEquals(refused, []);
      const outside = requests.filter((request) =>
        !request.startsWith(`${origin}/`) && !/^(data|blob):/.test(request)
      );
      assertEquals(outside, [], "no request leaves the machine");
    } finally {
      running.process.kill("SIGINT");
      assertEquals((await running.end()).code, 0);
    }

    // The exported map needs nobody.
    const exported = `${folder}/map.html`;
    await succeed("explore", ...common, "--export", exported);
    const { page, errors, requests } = await opened(browser, `file://${exported}`);
    await page.focus("#points");
    await page.keyboard.press("Enter");
    await until(page, "!document.querySelector('#object').hidden");
    await page.keyboard.press("n");
    await until(page, "/neighbor 1 of 10/.test(document.querySelector('#status').textContent)");
    await until(page, "Number(document.querySelector('#period').value) > 0");
    await page.evaluate("document.activeElement?.blur()");
    await lasso(page, "left");
    await fill(page, "#class", "mine");
    await page.click("#give");
    await until(page, "/40 labelled mine/.test(document.querySelector('#status').textContent)");
    assertEquals(errors, []);
    assertEquals(requests.filter((request) => !/^(file|data|blob):/.test(request)), []);
    assertEquals(await page.evaluate("globalThis.hacked"), undefined);
    await Deno.remove(folder, { recursive: true });
  },
);

browserTest("200,000 points: drawn, found under the pointer, colored, selected", async (browser) => {
  const folder = await Deno.makeTempDir(), path = `${folder}/e.parquet`;
  {
    using db = await Database.open(undefined, { memory_limit: "1GB", threads: 1 });
    await db.run(`COPY (SELECT 'star ' || i AS id, 'class ' || i % 7 AS class, i::INTEGER AS number,
      ((i % 500) / 250 - 1)::FLOAT AS x, ((i // 500) / 200 - 1)::FLOAT AS y,
      [i % 7, i % 11, i % 13]::FLOAT[] AS embedding FROM range(200000) t(i)) TO ${text(path)}`);
  }
  using file = await EmbeddingFile.open(path);
  using session = await Session.open({ file, labels: `${folder}/labels.csv`, seed: 0 });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    handlerOf(session, "token", "many"),
  );
  const { page, errors } = await opened(browser, `http://127.0.0.1:${server.addr.port}/?token=token`);
  assertStringIncludes(await page.$eval("#axes", (node) => node.textContent!), "200,000 light curves");
  const box = (await (await page.$("#points"))!.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await until(page, "!document.querySelector('#tip').hidden");
  assertStringIncludes(await page.$eval("#tip b", (node) => node.textContent!), "star ");
  await page.select("#color", "number");
  await until(page, "document.querySelector('#legend .bar') !== null");
  await lasso(page, "right");
  const selected = Number(/([\d,]+) selected/.exec(await status(page))![1].replace(",", ""));
  assertTrue(selected > 80_000 && selected < 101_000, `${selected}`);
  const picture = await page.screenshot();
  assertTrue(picture.length > 20_000, "something is drawn");
  assertEquals(errors, []);
  await page.close();
  await Deno.remove(folder, { recursive: true });
});
