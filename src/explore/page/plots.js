// Light curves on canvases.

/** Okabe and Ito's (2008) colors, then some of Tol's (2021): color-blind readers can tell them apart. */
const lightColors = [
  "#0072B2",
  "#D55E00",
  "#009E73",
  "#E69F00",
  "#56B4E9",
  "#CC79A7",
  "#222222",
  "#B8A800",
  "#661100",
  "#332288",
  "#AA3377",
  "#666633",
];
const darkColors = [
  "#3DA5E8",
  "#F0783C",
  "#2BC79A",
  "#F5B83D",
  "#8FD3FF",
  "#E59CC4",
  "#F2F2F2",
  "#F0E442",
  "#C9866B",
  "#9A8CF0",
  "#E27BB5",
  "#B5B56B",
];

export function classColors(dark) {
  return dark ? darkColors : lightColors;
}

/** Cividis (Nunez, Anderton and Renslow 2018), which is read alike with color-blindness, in nine stops. */
const cividis = [
  "#00224e",
  "#123570",
  "#3b496c",
  "#575d6d",
  "#707173",
  "#8a8779",
  "#a69d75",
  "#c4b56c",
  "#fee838",
];

export function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

export function gradientColor(share) {
  const at = Math.min(0.9999, Math.max(0, share)) * (cividis.length - 1), i = Math.floor(at), t = at - i;
  const [a, b] = [rgb(cividis[i]), rgb(cividis[i + 1])];
  return a.map((value, k) => Math.round(value + t * (b[k] - value)));
}

export const gradientCss = `linear-gradient(90deg, ${cividis.join(", ")})`;

export function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Round numbers of an axis. */
export function ticks(low, high, about) {
  const raw = (high - low) / about || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const result = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9 && result.length < 20; at += step) {
    result.push(Number(at.toPrecision(12)));
  }
  return result;
}

/** Draws a light curve: in time, or folded on a period over two cycles; brighter is up. Few wild points do not flatten it. */
export function drawCurve(canvas, curve, { period = null, predicted = null, small = false } = {}) {
  const ratio = devicePixelRatio || 1, wide = canvas.clientWidth || 200, high = canvas.clientHeight || 80;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.clearRect(0, 0, wide, high);
  g.font = "11px system-ui, sans-serif";
  g.fillStyle = themeColor("soft");
  if (!curve || curve.mjd.length === 0) {
    g.fillText("no light curve", 6, high / 2);
    return;
  }
  const [left, right, top, bottom] = small ? [2, 2, 3, 3] : [42, 8, 8, 30];
  const first = curve.mjd[0],
    last = curve.mjd[curve.mjd.length - 1],
    sorted = Float64Array.from(curve.magnitude).sort();
  const cut = Math.floor(sorted.length * 0.01), inner = [sorted[cut], sorted[sorted.length - 1 - cut]];
  const margin = Math.max(0.4 * (inner[1] - inner[0]), 0.01);
  const bright = Math.max(sorted[0], inner[0] - margin),
    faint = Math.min(sorted[sorted.length - 1], inner[1] + margin);
  const pad = 0.06 * (faint - bright) || 0.05, [low, up] = [bright - pad, faint + pad];
  const days = last - first || 1;
  const px = (share) => left + share * (wide - left - right);
  const py = (m) => top + (m - low) / (up - low) * (high - top - bottom);
  if (!small) {
    g.strokeStyle = themeColor("line");
    g.textAlign = "right";
    for (const m of ticks(low, up, 4)) {
      g.beginPath();
      g.moveTo(left, py(m));
      g.lineTo(wide - right, py(m));
      g.stroke();
      g.fillText(String(m), left - 5, py(m) + 4);
    }
    g.textAlign = "center";
    const marks = period ? [0, 0.5, 1, 1.5, 2] : ticks(0, days, 4);
    for (const at of marks) g.fillText(String(at), px(period ? at / 2 : at / days), high - 16);
    g.fillText(period ? "phase" : `days since ${first.toFixed(2)}`, (left + wide - right) / 2, high - 3);
  }
  const drawSeries = (magnitudes, color, radius, errors) => {
    g.fillStyle = g.strokeStyle = color;
    const step = small ? Math.max(1, Math.floor(magnitudes.length / 250)) : 1;
    for (let i = 0; i < magnitudes.length; i += step) {
      const cycles = period ? (curve.mjd[i] - first) / period : 0, phase = cycles - Math.floor(cycles);
      const places = period ? [phase / 2, (phase + 1) / 2] : [(curve.mjd[i] - first) / days];
      const y = Math.min(high - bottom, Math.max(top, py(magnitudes[i])));
      for (const place of places) {
        const x = px(place);
        if (errors && errors[i] > 0) {
          g.globalAlpha = 0.35;
          g.beginPath();
          g.moveTo(x, Math.max(top, py(magnitudes[i] - errors[i])));
          g.lineTo(x, Math.min(high - bottom, py(magnitudes[i] + errors[i])));
          g.stroke();
        }
        g.globalAlpha = 0.8;
        g.beginPath();
        g.arc(x, y, radius, 0, 7);
        g.fill();
      }
    }
    g.globalAlpha = 1;
  };
  drawSeries(curve.magnitude, themeColor("point"), small ? 1.1 : 1.8, small ? null : curve.error);
  if (predicted) drawSeries(predicted, themeColor("second"), 1.4, null);
}

/** The best period of a light curve by the least-squares fit of a sinusoid (Lomb-Scargle): for files without a server. */
export function bestPeriod({ mjd, magnitude }) {
  const n = mjd.length, days = mjd[n - 1] - mjd[0];
  if (n < 5 || !(days > 0)) return null;
  const mean = magnitude.reduce((sum, m) => sum + m, 0) / n, t = mjd.map((at) => at - mjd[0]);
  const step = 1 / (4 * days), most = 10;
  let best = 0, found = null;
  for (let f = 0.5 / days; f < most; f += step) {
    let c = 0, s = 0;
    for (let i = 0; i < n; i++) {
      const angle = 2 * Math.PI * f * t[i], m = magnitude[i] - mean;
      c += m * Math.cos(angle);
      s += m * Math.sin(angle);
    }
    const power = c * c + s * s;
    if (power > best) [best, found] = [power, 1 / f];
  }
  return found;
}
