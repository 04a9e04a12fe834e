// The page: map, hover, details, neighbors, selection, labels. All texts go in as text, never as HTML.
import { carried, csv, served } from "./data.js";
import { classColors, drawCurve, gradientColor, gradientCss, rgb, themeColor } from "./plots.js";
import { Scatter, states } from "./scatter.js";

const $ = (selector) => document.querySelector(selector);
const none = 255;

/** An element with a text, attributes and children. */
function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const grouped = (n) => n.toLocaleString("en-US");
/** Control characters, and those that turn the direction of writing, spelled out. */
const printable = (text) =>
  String(text).replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
const nameOf = ({ id, band }) => printable(band === null || band === undefined ? id : `${id} (${band})`);

let source, about, map, column = null, columnName = "", selected = [];
let open = null,
  neighbors = [],
  place = -1,
  hidden = new Set(),
  hovered = -1,
  tool = "pan",
  matches = null;
const curves = new Map(), trail = [];

function say(text, error = false) {
  const status = $("#status");
  status.textContent = text;
  status.classList.toggle("error", error);
}

/** Does something that may fail, and says so. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(printable(error.message ?? error), true);
  }
}

function save(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The light curve of a row; those asked for last are kept. */
async function curveOf(row) {
  if (!curves.has(row)) {
    curves.set(row, Promise.resolve(source.curve(row)).catch(() => null));
    if (curves.size > 300) curves.delete(curves.keys().next().value);
  }
  return await curves.get(row);
}

// Theme

const isDark = () => document.documentElement.classList.contains("dark");

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  if (!map) return;
  paint();
  drawOver();
  if (open) drawOpen();
}

// Colors

async function colorBy(name) {
  column = name === "" ? null : await source.column(name);
  columnName = name;
  hidden = new Set();
  paint();
}

function paint() {
  const colors = new Uint8Array(map.count), palette = new Uint8Array(256 * 4), dark = isDark();
  const set = (code, [r, g, b], alpha) => palette.set([r, g, b, alpha], code * 4);
  const gray = rgb(themeColor("none")), opacity = map.count > 100_000 ? 150 : map.count > 10_000 ? 190 : 225;
  const legend = $("#legend");
  legend.replaceChildren();
  if (!column) {
    for (let code = 0; code < 256; code++) set(code, rgb(themeColor("point")), opacity);
    legend.hidden = true;
  } else if (column.kind === "classes") {
    legend.hidden = false;
    const chosen = classColors(dark), counts = new Array(256).fill(0);
    for (const code of column.codes) counts[code]++;
    colors.set(column.codes);
    column.names.forEach((_, code) => set(code, rgb(chosen[code % chosen.length]), opacity));
    set(none, gray, Math.round(opacity * 0.6));
    const entries = column.names.map((name, code) => ({
      name: printable(name),
      code,
      color: chosen[code % chosen.length],
    }));
    if (counts[none]) {
      entries.push({
        name: columnName === "label" ? "no label" : "none",
        code: none,
        color: themeColor("none"),
      });
    }
    for (const { name, code, color } of entries) {
      const dot = element("span", { class: "dot", "aria-hidden": "true" });
      dot.style.background = color;
      legend.append(element(
        "button",
        {
          type: "button",
          "aria-pressed": String(!hidden.has(code)),
          title: `Show or hide ${name}; twice: only this one`,
          onclick: () => toggle(code),
          ondblclick: () => only(code),
        },
        dot,
        element("span", { text: name }),
        element("span", { class: "count", text: grouped(counts[code]) }),
      ));
    }
    if (entries.length === 0) legend.hidden = true;
  } else {
    legend.hidden = false;
    const sorted = column.values.filter(Number.isFinite).sort();
    const low = sorted[Math.floor(sorted.length * 0.01)] ?? 0,
      high = sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 1;
    const positive = low > 0 && high / low > 100, scaleOf = positive ? Math.log : (value) => value;
    const [from, to] = [scaleOf(low), scaleOf(high)];
    for (let code = 0; code < none; code++) set(code, gradientColor(code / (none - 1)), opacity);
    set(none, gray, Math.round(opacity * 0.5));
    for (let i = 0; i < map.count; i++) {
      const value = column.values[i];
      colors[i] = Number.isFinite(value)
        ? Math.round((none - 1) * Math.min(1, Math.max(0, (scaleOf(value) - from) / (to - from || 1))))
        : none;
    }
    const bar = element("div", {
      class: "bar",
      role: "img",
      "aria-label": `${columnName} from ${low} to ${high}`,
    });
    bar.style.background = gradientCss;
    const show = (value) => Number(value.toPrecision(3)).toString();
    legend.append(
      bar,
      element(
        "div",
        { class: "ends" },
        element("span", { text: show(low) }),
        element("span", { text: printable(columnName) + (positive ? ", log" : "") }),
        element("span", { text: show(high) }),
      ),
    );
  }
  map.setPalette(palette);
  map.setColors(colors);
  paintStates();
}

function toggle(code) {
  if (hidden.has(code)) hidden.delete(code);
  else hidden.add(code);
  refreshLegend();
}

function only(code) {
  const all = [...column.names.keys(), none];
  hidden = new Set(all.filter((other) => other !== code));
  refreshLegend();
}

function refreshLegend() {
  const codes = [...column.names.keys(), none];
  [...$("#legend").children].forEach((button, i) =>
    button.setAttribute("aria-pressed", String(!hidden.has(codes[i])))
  );
  paintStates();
}

function paintStates() {
  const points = new Uint8Array(map.count).fill(states.plain);
  if (column?.kind === "classes" && hidden.size) {
    for (let i = 0; i < map.count; i++) if (hidden.has(column.codes[i])) points[i] = states.faint;
  }
  if (matches) { for (let i = 0; i < map.count; i++) if (!matches.has(i)) points[i] = states.faint; }
  for (const row of selected) points[row] = states.marked;
  map.marks = selected.length > 0;
  map.setStates(points);
}

// The layer over the points: rings, lines to neighbors, the lasso

let path = [];

function drawOver() {
  const canvas = $("#over"), ratio = Math.min(devicePixelRatio || 1, 2);
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
  }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, wide, high);
  const at = (row) => map.pixelOf(map.positions[2 * row], map.positions[2 * row + 1]);
  const ring = (row, radius, width) => {
    const [x, y] = at(row);
    g.lineWidth = width;
    g.beginPath();
    g.arc(x, y, radius, 0, 7);
    g.stroke();
  };
  g.strokeStyle = themeColor("ring");
  if (open) {
    const [x, y] = at(open.row);
    g.globalAlpha = 0.35;
    for (const { row } of neighbors) {
      const [nx, ny] = at(row);
      g.beginPath();
      g.moveTo(x, y);
      g.lineTo(nx, ny);
      g.stroke();
    }
    g.globalAlpha = 1;
    for (const { row } of neighbors) ring(row, 5, 1.2);
    ring(open.row, 8, 2.4);
  }
  if (hovered >= 0) ring(hovered, 6, 1.6);
  if (path.length > 1) {
    g.beginPath();
    path.forEach(([x, y], i) => i ? g.lineTo(x, y) : g.moveTo(x, y));
    g.closePath();
    g.globalAlpha = 0.12;
    g.fillStyle = themeColor("accent");
    g.fill();
    g.globalAlpha = 1;
    g.strokeStyle = themeColor("accent");
    g.setLineDash([5, 4]);
    g.lineWidth = 1.5;
    g.stroke();
    g.setLineDash([]);
  }
}

// Hover

let tipTimer = 0;

function hover(row, x, y) {
  if (row === hovered) return;
  hovered = row;
  drawOver();
  clearTimeout(tipTimer);
  const tip = $("#tip");
  if (row < 0) {
    tip.hidden = true;
    return;
  }
  tipTimer = setTimeout(() =>
    attempt(async () => {
      const [[named], curve] = await Promise.all([source.named([row]), curveOf(row)]);
      if (hovered !== row) return;
      tip.querySelector("b").textContent = nameOf(named);
      tip.querySelector("span").textContent = printable(valueOf(row) ?? named.class ?? "");
      tip.hidden = false;
      const room = $("#map").getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(x + 16, room.width - 230))}px`;
      tip.style.top = `${Math.max(4, y + 150 > room.height ? y - 150 : y + 16)}px`;
      const canvas = tip.querySelector("canvas");
      canvas.hidden = !about.hasData;
      if (about.hasData) drawCurve(canvas, curve, { small: true });
    }), 60);
}

/** What the color of a point stands for. */
function valueOf(row) {
  if (!column) return null;
  if (column.kind === "classes") return column.names[column.codes[row]] ?? null;
  return Number.isFinite(column.values[row])
    ? `${columnName} ${Number(column.values[row].toPrecision(4))}`
    : null;
}

// The light curve that is open

let opening = 0;

async function openRow(row, { keep = false, walk = false } = {}) {
  const mine = ++opening;
  if (open && !walk && open.row !== row) trail.push(open.row);
  await attempt(async () => {
    const [object, curve, near] = await Promise.all([
      source.object(row),
      curveOf(row),
      keep ? neighbors : source.neighbors(row),
    ]);
    if (mine !== opening) return; // another was opened meanwhile
    open = {
      row,
      object,
      curve,
      period: Number(object.period) > 0 ? Number(object.period) : null,
      predicted: null,
    };
    if (!keep) {
      neighbors = near;
      place = -1;
    }
    $("#object").hidden = false;
    $("#object h2").textContent = nameOf(object) + (object.class ? `, ${printable(object.class)}` : "");
    $("#fields").replaceChildren(
      ...Object.entries(object).map(([name, value]) =>
        element(
          "tr",
          {},
          element("th", { scope: "row", text: printable(name) }),
          element("td", {
            text: value === null
              ? ""
              : printable(typeof value === "number" ? Number(value.toPrecision(6)) : value),
          }),
        )
      ),
    );
    $("#object .plot").hidden = $("#folding").hidden = !about.hasData;
    $("#reconstruct").closest("p").hidden = !about.hasModel;
    showPeriod();
    showNeighbors();
    drawOpen();
    describe();
    drawOver();
    const position = place >= 0
      ? `, neighbor ${place + 1} of ${neighbors.length}, distance ${neighbors[place].distance.toFixed(3)}`
      : "";
    say(
      `${nameOf(object)}${object.class ? `, ${printable(object.class)}` : ""}${
        curve ? `, ${curve.mjd.length} observations` : ""
      }${position}`,
    );
    if ($("#reconstruct").checked) reconstruct();
    if (about.hasData && open.period === null && curve) findPeriod(false);
  });
}

function showPeriod() {
  $("#period").value = open.period === null ? "" : String(Number(open.period.toPrecision(8)));
  $("#slider").value = "0";
}

function drawOpen() {
  if (!about.hasData) return;
  const { curve, period, predicted } = open;
  drawCurve($("#raw"), curve, { predicted });
  const [bright, faint] = curve ? [Math.min(...curve.magnitude), Math.max(...curve.magnitude)] : [];
  $("#raw").setAttribute(
    "aria-label",
    curve
      ? `Light curve: ${curve.mjd.length} observations over ${
        (curve.mjd.at(-1) - curve.mjd[0]).toFixed(0)
      } days, from magnitude ${bright.toFixed(2)} to ${faint.toFixed(2)}`
      : "There is no light curve",
  );
  $("#folded").parentElement.hidden = !(period > 0);
  if (period > 0) {
    const near = period * (1 + Number($("#slider").value) * slide());
    drawCurve($("#folded"), curve, { period: near, predicted });
    $("#folded").setAttribute("aria-label", `The light curve folded on ${near.toPrecision(7)} days`);
  }
}

/** How far the slider reaches, as a share: phases at the end of the light curve move by two cycles at most. */
function slide() {
  const { curve, period } = open, days = curve ? curve.mjd.at(-1) - curve.mjd[0] || 1 : 1;
  return Math.min(0.2, 2 * period / days);
}

async function findPeriod(loud = true) {
  const { row } = open;
  if (loud) say("Looking for the period…");
  const period = await attempt(() => source.period(row));
  if (!open || open.row !== row) return;
  open.period = period ?? null;
  if (loud) say(period ? `The best period is ${Number(period.toPrecision(7))} days` : "There is no period");
  showPeriod();
  drawOpen();
}

async function reconstruct() {
  const { row } = open;
  const predicted = $("#reconstruct").checked ? await attempt(() => source.reconstruction(row)) : null;
  if (!open || open.row !== row) return;
  open.predicted = predicted ?? null;
  drawOpen();
}

/** A list of light curves as buttons. */
function tiles(list, rows, current = -1) {
  list.replaceChildren(...rows.map((one, i) => {
    const canvas = element("canvas", { "aria-hidden": "true" });
    canvas.hidden = !about.hasData;
    const distance = one.distance === undefined ? "" : one.distance.toFixed(3);
    const remark = [one.class ?? one.remark, distance].filter(Boolean).map(printable).join(", ");
    const button = element(
      "button",
      {
        type: "button",
        "aria-current": i === current ? "true" : null,
        onclick: () => one.go(i),
      },
      element("b", { text: nameOf(one) }),
      element("small", { text: remark }),
      canvas,
    );
    if (about.hasData) curveOf(one.row).then((curve) => drawCurve(canvas, curve, { small: true }));
    return element("li", {}, button);
  }));
}

function showNeighbors() {
  tiles($("#neighbors"), neighbors.map((one) => ({ ...one, go: () => openRow(one.row) })), place);
}

/** To the next neighbor of the light curve that the walk began at, or back. */
async function walk(step) {
  if (!open || neighbors.length === 0) return say("Open a light curve first: click a point, or press Enter");
  place = (place + step + neighbors.length) % neighbors.length;
  if (place < 0) place = 0;
  await openRow(neighbors[place].row, { keep: true, walk: true });
}

// Selection

async function select(rows, what) {
  selected = rows;
  $("#selection").hidden = rows.length === 0;
  paintStates();
  describe();
  if (rows.length === 0) return say("Nothing is selected");
  $("#selected").textContent = `${grouped(rows.length)} ${
    rows.length === 1 ? "light curve" : "light curves"
  }`;
  say(`${grouped(rows.length)} selected${what ? ` by ${what}` : ""}`);
  const shown = await attempt(() => source.named(rows.slice(0, 200))) ?? [];
  $("#selection tbody").replaceChildren(
    ...shown.map((one) =>
      element(
        "tr",
        { onclick: () => openRow(one.row) },
        element("td", {}, element("button", { type: "button", text: printable(one.id) })),
        element("td", { text: printable(one.band ?? "") }),
        element("td", { text: printable(one.class ?? "") }),
      )
    ),
  );
}

async function selectionCsv() {
  const named = [];
  for (let from = 0; from < selected.length; from += 20_000) {
    named.push(...await source.named(selected.slice(from, from + 20_000)));
  }
  save(
    "selection.csv",
    csv([
      ["id", "band", "class", "row"],
      ...named.map(({ id, band, class: of, row }) => [id, band, of, row]),
    ]),
  );
}

// Labels

/** What a label is given to: the selection, or the light curve that is open. */
function targets() {
  return selected.length ? selected : open ? [open.row] : [];
}

function describe() {
  const rows = targets();
  $("#target").textContent = rows.length === 0
    ? "Select light curves, or open one, to give them a class."
    : selected.length
    ? `For the ${grouped(rows.length)} selected.`
    : `For ${nameOf(open.object)}.`;
  $("#give").disabled = $("#take").disabled = rows.length === 0;
}

function showCounts(counts) {
  const names = Object.keys(counts).sort();
  $("#counts").replaceChildren(
    ...names.map((name) =>
      element(
        "li",
        {},
        element("button", {
          type: "button",
          text: `${printable(name)} ${grouped(counts[name])}`,
          title: "Take this class",
          onclick: () => {
            $("#class").value = name;
          },
        }),
      )
    ),
  );
  $("#classes").replaceChildren(...names.map((name) => element("option", { value: name })));
  $("#train").disabled = names.length < 2 || about.canTrain === false;
  $("#save").disabled = names.length === 0;
}

async function label(name) {
  const rows = targets();
  if (rows.length === 0) return;
  await attempt(async () => {
    showCounts(await source.label(rows, name));
    say(
      name === null
        ? `${grouped(rows.length)} labels removed`
        : `${grouped(rows.length)} labelled ${printable(name)}`,
    );
    if (columnName === "label") await colorBy("label");
    if (open) open.object.label = name;
  });
}

async function train() {
  $("#train").disabled = true;
  say("Training…");
  await attempt(async () => {
    const { next, right, labels } = await source.train();
    about.trained = ["prediction", "doubt"];
    fillColors("prediction");
    await colorBy("prediction");
    const named = await source.named(next), doubt = await source.column("doubt");
    $("#next").hidden = false;
    tiles(
      $("#next ol"),
      named.map((one) => ({
        ...one,
        class: `${column.names[column.codes[one.row]]}?`,
        distance: doubt.values[one.row],
        go: () => {
          select([]);
          openRow(one.row).then(() => map.show(one.row));
        },
      })),
    );
    $("#result").textContent = `Trained on ${grouped(labels)} labels` +
      (right === null ? "." : `; ${(100 * right).toFixed(0)} % of them are predicted right by the others.`);
    say(
      `Trained on ${
        grouped(labels)
      } labels: the map shows the prediction; color by doubt to see where it cannot tell`,
    );
  });
  $("#train").disabled = false;
}

// Search

async function find(text) {
  if (text.trim() === "") {
    matches = null;
    return await select([]);
  }
  await attempt(async () => {
    const rows = await source.filter(text);
    matches = rows.length > 1 ? new Set(rows) : null;
    await select(rows.length > 1 ? rows : [], "the condition");
    if (rows.length === 1) {
      await openRow(rows[0]);
      map.show(rows[0]);
    } else if (rows.length === 0) say("No light curve fulfills that");
  });
}

function fillColors(chosen) {
  const names = [...about.columns.map((column) => column.name), "label", ...about.trained];
  $("#color").replaceChildren(
    element("option", { value: "", text: "nothing" }),
    ...names.map((name) => element("option", { value: name, text: printable(name) })),
  );
  $("#color").value = names.includes(chosen) ? chosen : "";
}

// Pointer and keys

function setTool(name) {
  tool = name;
  for (const button of $("#tools").children) {
    button.setAttribute("aria-checked", String(button.dataset.tool === name));
  }
  $("#points").classList.toggle("select", name !== "pan");
}

function pointers(canvas) {
  const down = new Map();
  let moved = 0, spread = 0, mode = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    moved = 0;
    mode = down.size > 1
      ? "pinch"
      : event.shiftKey || tool === "lasso"
      ? "lasso"
      : tool === "box" || event.altKey
      ? "box"
      : "pan";
    path = mode === "lasso" || mode === "box" ? [at(event)] : [];
    hover(-1);
    if (down.size === 2) {
      const [[ax, ay], [bx, by]] = [...down.values()];
      spread = Math.hypot(ax - bx, ay - by);
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event), before = down.get(event.pointerId);
    if (!before) return event.pointerType === "mouse" ? hover(map.nearest(x, y), x, y) : undefined;
    down.set(event.pointerId, [x, y]);
    moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    if (mode === "pinch" && down.size === 2) {
      const [[ax, ay], [bx, by]] = [...down.values()], now = Math.hypot(ax - bx, ay - by);
      map.zoomAt(now / (spread || now), (ax + bx) / 2, (ay + by) / 2);
      map.move((x - before[0]) / 2, (y - before[1]) / 2);
      spread = now;
    } else if (mode === "pan") map.move(x - before[0], y - before[1]);
    else if (mode === "lasso") path.push([x, y]);
    else if (mode === "box") {
      const [[fx, fy]] = path;
      path = [[fx, fy], [x, fy], [x, y], [fx, y]];
    }
    drawOver();
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    const [x, y] = at(event), drawn = path;
    path = [];
    if (event.type === "pointerup" && moved < 6) {
      const row = map.nearest(x, y, event.pointerType === "touch" ? 22 : 9);
      if (row >= 0) openRow(row);
    } else if (event.type === "pointerup" && drawn.length > 2) {
      select(map.within(drawn), mode === "box" ? "a box" : "a lasso");
    }
    if (down.size === 0) mode = null;
    drawOver();
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = at(event);
    map.zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), x, y);
  }, { passive: false });
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("#keys").open) return;
  const typing = event.target.matches("input:not([type=range]):not([type=checkbox]), select, textarea");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const canvas = $("#points"), onMap = event.target === canvas || event.target === document.body;
  const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const does = {
    "/": () => $("#query").focus(),
    "?": () => $("#keys").showModal(),
    n: () => walk(1),
    p: () => walk(-1),
    l: () => $("#class").focus(),
    m: () => setTool("pan"),
    s: () => setTool("lasso"),
    b: () => setTool("box"),
    f: () => open && findPeriod(),
    Backspace: () => trail.length && openRow(trail.pop(), { walk: true }),
    Escape: () => {
      matches = null;
      select([]);
    },
    ...onMap
      ? {
        ArrowLeft: () => map.move(60, 0),
        ArrowRight: () => map.move(-60, 0),
        ArrowUp: () => map.move(0, 60),
        ArrowDown: () => map.move(0, -60),
        "+": () => map.zoomAt(1.4, ...middle),
        "=": () => map.zoomAt(1.4, ...middle),
        "-": () => map.zoomAt(1 / 1.4, ...middle),
        0: () => map.fit(),
        Enter: () => {
          const row = map.nearest(...middle, Math.max(...middle));
          if (row >= 0) openRow(row);
        },
      }
      : {},
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

async function begin() {
  const embedded = $("#embedded");
  source = embedded ? await carried(embedded.textContent.trim()) : served();
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches));
  about = await source.start();
  if (embedded) $("#query").placeholder = "id, class, or any text";
  const positions = await source.positions();
  map = new Scatter($("#points"), positions);
  map.onView = drawOver;
  $("#points").setAttribute("aria-label", `Map of ${grouped(about.rows)} light curves, ${about.axes}`);
  $("#axes").textContent = `${grouped(about.rows)} light curves, ${about.axes}`;
  const names = about.columns.map((column) => column.name),
    first = ["class", "known_class", "prediction"].find((name) => names.includes(name));
  fillColors(first ?? "");
  await colorBy(first ?? "");
  showCounts(about.labels);
  describe();
  pointers($("#points"));
  addEventListener("keydown", keys);
  $("#color").addEventListener("change", (event) => attempt(() => colorBy(event.target.value)));
  for (const button of $("#tools").children) {
    button.addEventListener("click", () => setTool(button.dataset.tool));
  }
  $("#find").addEventListener("submit", (event) => {
    event.preventDefault();
    find($("#query").value);
  });
  $("#theme").addEventListener("click", () => setTheme(!isDark()));
  $("#help").addEventListener("click", () => $("#keys").showModal());
  $("#keys form").addEventListener("submit", (event) => {
    event.preventDefault();
    $("#keys").close();
  });
  const center = () => [$("#points").clientWidth / 2, $("#points").clientHeight / 2];
  $("#in").addEventListener("click", () => map.zoomAt(1.6, ...center()));
  $("#out").addEventListener("click", () => map.zoomAt(1 / 1.6, ...center()));
  $("#fit").addEventListener("click", () => map.fit());
  $("#csv").addEventListener("click", () => attempt(selectionCsv));
  $("#clear").addEventListener("click", () => {
    matches = null;
    select([]);
  });
  $("#period").addEventListener("change", () => {
    open.period = Number($("#period").value) > 0 ? Number($("#period").value) : null;
    $("#slider").value = "0";
    drawOpen();
  });
  $("#slider").addEventListener("input", () => {
    $("#period").value = String(
      Number((open.period * (1 + Number($("#slider").value) * slide())).toPrecision(8)),
    );
    drawOpen();
  });
  for (const button of document.querySelectorAll("[data-factor]")) {
    button.addEventListener("click", () => {
      const value = Number($("#period").value);
      if (!(value > 0)) return;
      open.period = value * Number(button.dataset.factor);
      showPeriod();
      drawOpen();
    });
  }
  $("#search-period").addEventListener("click", () => findPeriod());
  $("#reconstruct").addEventListener("change", () => open && reconstruct());
  $("#label").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("#class").value.trim()) label($("#class").value.trim());
  });
  $("#take").addEventListener("click", () => label(null));
  $("#train").addEventListener("click", train);
  $("#save").addEventListener("click", () => attempt(async () => save("labels.csv", await source.labels())));
  say(`${grouped(about.rows)} light curves. Click one to open it; ? shows the keys`);
  document.documentElement.dataset.ready = "true";
}

attempt(begin);
