/** Serves a session to a browser on this machine, and to nobody without the token. */
import { InputError, messageOf } from "../common/errors.ts";
import { pageHtml } from "./page.ts";
import type { MapColumn, Session } from "./session.ts";

/** Bytes of a request at most: labels of some million rows. */
const mostBytes = 64 * 2 ** 20;

const headers = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** A token that cannot be guessed. */
export function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
}

/**
 * Answers requests. The page is asked for with the token in its address, all else with a header, which no other site's page can
 * send; and only by the name of this machine, so that no other name leads here.
 */
export function handlerOf(
  session: Session,
  token: string,
  title: string,
): (request: Request) => Promise<Response> {
  const page = pageHtml({ title });
  return async (request) => {
    const url = new URL(request.url);
    const refused = new Response("403: the address with its token is printed where explore was started\n", {
      status: 403,
      headers: { ...headers, "content-type": "text/plain; charset=utf-8" },
    });
    if (!/^(127\.0\.0\.1|localhost|\[::1\])$/.test(url.hostname)) return refused;
    if (url.pathname === "/" && request.method === "GET") {
      if (!sameText(url.searchParams.get("token") ?? "", token)) return refused;
      const { text, policy } = await page;
      return new Response(text, {
        headers: {
          ...headers,
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": policy,
        },
      });
    }
    if (!sameText(request.headers.get("x-token") ?? "", token)) return refused;
    try {
      return await answer(session, request, url);
    } catch (error) {
      const input = error instanceof InputError || error instanceof SyntaxError;
      if (!input) console.error(`explore: ${messageOf(error)}`);
      return json({ error: messageOf(error) }, input ? 400 : 500);
    }
  };
}

/** Whether two texts are the same, in a time that does not tell where they differ. */
function sameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % b.length);
  return difference === 0;
}

function json(value: unknown, status = 200): Response {
  return Response.json(value, { status, headers });
}

function binary(bytes: Uint8Array<ArrayBuffer>): Response {
  return new Response(bytes, { headers: { ...headers, "content-type": "application/octet-stream" } });
}

/** A column in bytes: the length of its description, the description as JSON, filled up to four bytes, the values. */
export function packed(column: MapColumn): Uint8Array<ArrayBuffer> {
  const { kind } = column;
  const text = new TextEncoder().encode(
    JSON.stringify(kind === "classes" ? { kind, names: column.names } : { kind }),
  );
  const values = kind === "classes" ? column.codes : new Uint8Array(column.values.buffer);
  const start = 4 + Math.ceil(text.length / 4) * 4, bytes = new Uint8Array(start + values.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  bytes.set(values, start);
  return bytes;
}

/** What a page asks first. */
export function startOf(session: Session) {
  return {
    rows: session.rows,
    axes: session.axes,
    columns: session.columns,
    hasData: session.hasData,
    hasModel: session.hasModel,
    labels: session.labelCounts(),
    trained: session.trained,
  };
}

async function answer(session: Session, request: Request, url: URL): Promise<Response> {
  const row = () => {
    const value = Number(url.searchParams.get("row") ?? NaN);
    if (!Number.isInteger(value) || value < 0 || value >= session.rows) {
      throw new InputError("there is no such row");
    }
    return value;
  };
  const route = `${request.method} ${url.pathname}`;
  switch (route) {
    case "GET /start":
      return json(startOf(session));
    case "GET /positions":
      return binary(new Uint8Array(session.positions.buffer));
    case "GET /column":
      return binary(packed(await session.column(url.searchParams.get("name") ?? "")));
    case "GET /object":
      return json(await session.object(row()));
    case "GET /curve":
      return json(await session.curve(row()));
    case "GET /period":
      return json(await session.period(row()));
    case "GET /reconstruction":
      return json(await session.reconstruction(row()));
    case "GET /neighbors": {
      const found = await session.neighbors(row()),
        named = await session.named(found.map((match) => match.row));
      return json(named.map((one, i) => ({ ...one, distance: found[i].distance })));
    }
    case "GET /filter":
      return json(await session.filter(url.searchParams.get("text") ?? ""));
    case "GET /labels":
      return new Response(session.labelsCsv(), {
        headers: { ...headers, "content-type": "text/csv; charset=utf-8" },
      });
    case "POST /named":
      return json(await session.named((await rowsOf(request)).rows));
    case "POST /label": {
      const { rows, class: of } = await rowsOf(request);
      if (of !== null && typeof of !== "string") throw new InputError("a class is a text, or null");
      await session.label(rows, of);
      return json(session.labelCounts());
    }
    case "POST /train":
      return json(await session.train());
  }
  return json({ error: `there is no ${route}` }, 404);
}

async function rowsOf(request: Request): Promise<{ rows: number[]; class: unknown }> {
  if (Number(request.headers.get("content-length") ?? 0) > mostBytes) {
    throw new InputError("that is too much at once");
  }
  const body = await request.json();
  if (!Array.isArray(body?.rows) || !body.rows.every(Number.isInteger)) {
    throw new InputError("rows are whole numbers");
  }
  return { rows: body.rows, class: body.class ?? null };
}
