import { crc32 } from "node:zlib";
import { pngOf } from "../../src/report/png.ts";
import { assertEquals, assertTrue } from "../../src/common/std.ts";

const svgOf = (text: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" viewBox="0 0 200 100"><rect width="200" height="100" fill="white"/>` +
  `<text x="5" y="50" font-family="Arial, Helvetica, sans-serif" font-size="20">${text}</text></svg>`;

/** The chunks of a PNG file; their checksums must be right. */
function chunksOf(png: Uint8Array): Map<string, DataView> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength), chunks = new Map<string, DataView>();
  for (let at = 8; at < png.length;) {
    const length = view.getUint32(at), name = new TextDecoder().decode(png.subarray(at + 4, at + 8));
    assertEquals(
      view.getUint32(at + 8 + length),
      crc32(png.subarray(at + 4, at + 8 + length)),
      `checksum of ${name}`,
    );
    chunks.set(name, new DataView(png.buffer, png.byteOffset + at + 8, length));
    at += 12 + length;
  }
  return chunks;
}

Deno.test("a PNG has the size of a column in print, and letters without any font of the system", async () => {
  const png = await pngOf(svgOf("γ of block 1"), { centimetres: 8.5, dpi: 600 });
  const chunks = chunksOf(png);
  assertEquals([chunks.get("IHDR")!.getUint32(0), chunks.get("IHDR")!.getUint32(4)], [2008, 1004]);
  const physical = chunks.get("pHYs")!;
  assertEquals([physical.getUint32(0), physical.getUint32(4), physical.getUint8(8)], [23622, 23622, 1]);
  assertEquals([...chunks.keys()].slice(0, 2), ["IHDR", "pHYs"]);
  const blank = await pngOf(svgOf(""), { centimetres: 8.5, dpi: 600 });
  assertTrue(png.length > 1.3 * blank.length, "the text is drawn");
});
