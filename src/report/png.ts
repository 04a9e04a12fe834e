/** SVG as PNG, with resvg and letters that come with it: the same picture on every computer. */
import { crc32 } from "node:zlib";
import { Buffer } from "node:buffer";
import { initWasm, Resvg } from "npm:@resvg/resvg-wasm@2.6.2";
// Named here, so that Deno fetches the letters together with the code.
import "npm:@expo-google-fonts/arimo@0.4.3/package.json" with { type: "json" };

/** Metric twins of Arial and Helvetica, under the SIL Open Font License. */
const fontFiles = [
  "npm:@expo-google-fonts/arimo@0.4.3/400Regular/Arimo_400Regular.ttf",
  "npm:@expo-google-fonts/arimo@0.4.3/700Bold/Arimo_700Bold.ttf",
];
const read = (specifier: string) => Deno.readFile(new URL(import.meta.resolve(specifier)));

let ready: Promise<Uint8Array[]> | undefined;
/** Starts resvg, once. */
function fonts(): Promise<Uint8Array[]> {
  return ready ??= (async () => {
    await initWasm(await read("npm:@resvg/resvg-wasm@2.6.2/index_bg.wasm"));
    return await Promise.all(fontFiles.map(read));
  })();
}

/**
 * Draws an SVG.
 * @param svg an SVG with a view box
 * @param size its width in centimetres, and dots per inch
 * @returns a PNG file that knows its size in print
 */
export async function pngOf(svg: string, size: { centimetres: number; dpi: number }): Promise<Uint8Array> {
  const fontBuffers = await fonts();
  const pixels = Math.round(size.centimetres / 2.54 * size.dpi);
  const resvg = new Resvg(svg, {
    fitTo: { mode: "width", value: pixels },
    font: { fontBuffers, defaultFontFamily: "Arimo", sansSerifFamily: "Arimo" },
  });
  try {
    const image = resvg.render();
    try {
      return withResolution(image.asPng(), size.dpi);
    } finally {
      image.free();
    }
  } finally {
    resvg.free();
  }
}

/** Puts the chunk pHYs (pixels per metre) behind the header, IHDR, which is always 25 bytes after the signature. */
function withResolution(png: Uint8Array, dpi: number): Uint8Array {
  const perMetre = Math.round(dpi / 0.0254), end = 8 + 25;
  const chunk = Buffer.alloc(21);
  chunk.writeUInt32BE(9, 0);
  chunk.write("pHYs", 4, "ascii");
  chunk.writeUInt32BE(perMetre, 8);
  chunk.writeUInt32BE(perMetre, 12);
  chunk.writeUInt8(1, 16); // the unit is the metre
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 17)), 17);
  return Uint8Array.from([...png.subarray(0, end), ...chunk, ...png.subarray(end)]);
}
