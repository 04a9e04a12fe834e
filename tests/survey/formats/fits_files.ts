/** A small FITS table made by hand. */

/** A table of three observations: time, magnitude, star. */
export function fitsTable(changed: Record<string, string> = {}): Uint8Array<ArrayBuffer> {
  const cards = {
    XTENSION: "'BINTABLE'",
    BITPIX: "8",
    NAXIS: "2",
    NAXIS1: "20",
    NAXIS2: "3",
    PCOUNT: "0",
    GCOUNT: "1",
    TFIELDS: "3",
    TTYPE1: "'TIME    '",
    TFORM1: "'1D      '",
    TUNIT1: "'d'",
    TTYPE2: "'MAG'",
    TFORM2: "'E'",
    TUNIT2: "'mag'",
    TTYPE3: "'STAR'",
    TFORM3: "'8A'",
    TIMESYS: "'TDB     '           / the time's scale",
    ...changed,
  };
  const primary = header({ SIMPLE: "T", BITPIX: "8", NAXIS: "0", EXTEND: "T" });
  const data = new Uint8Array(2880), view = new DataView(data.buffer);
  for (const [row, star] of ["V1", "V1", "V2"].entries()) {
    view.setFloat64(row * 20, 58000.25 + row);
    view.setFloat32(row * 20 + 8, 15 + row);
    data.set(new TextEncoder().encode(star.padEnd(8)), row * 20 + 12);
    if (cards.TFORM3 !== "'8A'") {
      view.setInt32(row * 20 + 12, 2);
      view.setInt32(row * 20 + 16, 8 * row);
    }
  }
  const bytes = new Uint8Array(primary.length + header(cards).length + data.length);
  bytes.set(primary);
  bytes.set(header(cards), primary.length);
  bytes.set(data, bytes.length - data.length);
  return bytes;
}

function header(cards: Record<string, string>): Uint8Array {
  const lines = Object.entries(cards).map(([key, value]) =>
    `${key.padEnd(8)}= ${value.startsWith("'") ? value : value.padStart(20)}`.padEnd(80)
  );
  const text = [...lines, "END".padEnd(80)].join("");
  return new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 2880) * 2880));
}
