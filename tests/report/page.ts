/** What every report must be. */
import { assertEquals, assertTrue } from "../../src/common/std.ts";

/** Fails unless a page needs nothing but itself, and holds no script but its own. */
export function selfContained(page: string): void {
  const tags = [...page.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag);
  for (const tag of tags) {
    assertTrue(!/^<(link|iframe|object|embed|image|img|use|base|audio|video)\b/i.test(tag), tag);
    for (
      const [, name, value] of tag.matchAll(/ ((?:xlink:)?href|src|srcset|action|style|on[a-z]+)="([^"]*)"/gi)
    ) {
      assertTrue(name === "href" && value.startsWith("#"), tag);
    }
  }
  for (const [, target] of page.matchAll(/url\(([^)]*)\)/g)) assertTrue(target.startsWith("#"), target);
  assertTrue(!/@import|@font-face/.test(page));
  assertEquals(tags.filter((tag) => /^<script/i.test(tag)), ["<script>"]);
}
