/** A real Chromium for tests of pages, where there is one. */
import puppeteer, { type Browser, type Page } from "npm:puppeteer-core@25.16.0";

/** Where Debian and others put it. */
export const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  },
);

/** Registers a test that needs a browser. */
export function browserTest(name: string, run: (browser: Browser) => Promise<void>, ignore = false): void {
  Deno.test({
    name: chromium ? name : `${name} (skipped: there is no Chromium; apt-get install chromium)`,
    ignore: ignore || !chromium,
    // Sockets of a browser close when they please.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const browser = await puppeteer.launch({
        executablePath: chromium,
        headless: true,
        args: [
          ...["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"],
          ...[
            "--disable-component-update",
            "--disable-sync",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
          ],
          "--ignore-gpu-blocklist",
        ],
      });
      try {
        await run(browser);
      } finally {
        await browser.close();
      }
    },
  });
}

/** A page whose errors and requests are kept. */
export async function opened(browser: Browser, url: string, { width = 1200, height = 800 } = {}) {
  const page = await browser.newPage(), errors: string[] = [], requests: string[] = [];
  await page.setViewport({ width, height });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  await page.waitForFunction("document.documentElement.dataset.ready", { timeout: 120_000 });
  return { page, errors, requests };
}

/** Waits until an expression is true in the page, which says what it is about when it does not become so. */
export async function until(page: Page, expression: string): Promise<void> {
  try {
    await page.waitForFunction(expression, { timeout: 30_000 });
  } catch {
    const status = await page.$eval("#status", (node) => node.textContent);
    throw new Error(`never came true: ${expression}; the page says "${status}"`);
  }
}
