/** A server on the loopback interface that speaks as much of the Hub's file API as clients use to download. */
import { createHash } from "node:crypto";

/** A repository's files at every revision. */
export interface Repository {
  /** Commits by branch or tag. */
  refs: Record<string, string>;
  /** Files of each commit. */
  commits: Record<string, Record<string, Uint8Array<ArrayBuffer>>>;
  /** What opens it, if it is private. */
  token?: string;
}

/** A request as it was answered. */
export interface Answered {
  method: string;
  path: string;
  host: string;
  status: number;
  range: string | null;
  authorization: string | null;
}

/** Git's hash of a file. */
export function gitHash(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A running Hub. */
export class Hub implements AsyncDisposable {
  readonly answered: Answered[] = [];
  /** Bytes after which the next download of a large file breaks off; then it is forgotten. */
  breakAfter: number | undefined;
  /** Spoils the next download of a large file. */
  spoil = false;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(readonly repositories: Record<string, Repository>) {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      const response = this.#answer(request), url = new URL(request.url);
      this.answered.push({
        method: request.method,
        path: url.pathname,
        host: url.host,
        status: response.status,
        range: request.headers.get("range"),
        authorization: request.headers.get("authorization"),
      });
      return response;
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  #answer({ method, url, headers }: Request): Response {
    const path = decodeURIComponent(new URL(url).pathname).slice(1);
    const large = /^storage\/(\w+)$/.exec(path);
    if (large) return this.#large(large[1], headers.get("range"));
    const [, name, revision, file] = /^([^/]+\/[^/]+)\/resolve\/(.+?)\/([^/]+)$/.exec(path) ?? [];
    const failed = (status: number, code: string, more = {}) =>
      new Response(null, { status, headers: { "x-error-code": code, ...more } });
    const repository = this.repositories[name];
    if (!repository || (repository.token && headers.get("authorization") !== `Bearer ${repository.token}`)) {
      return failed(401, "RepoNotFound");
    }
    const commit = repository.refs[revision] ?? revision, files = repository.commits[commit];
    if (!files) return failed(404, "RevisionNotFound");
    const common = { "x-repo-commit": commit };
    const bytes = files[file];
    if (!bytes) return failed(404, "EntryNotFound", common);
    if (!file.endsWith(".safetensors")) {
      const entity = { ...common, etag: `"${gitHash(bytes)}"`, "content-length": String(bytes.length) };
      return new Response(method === "HEAD" ? null : bytes, { headers: entity });
    }
    // Large files lie on another host.
    const location = `${this.endpoint.replace("127.0.0.1", "localhost")}/storage/${sha256(bytes)}`;
    const linked = { "x-linked-etag": `"${sha256(bytes)}"`, "x-linked-size": String(bytes.length) };
    return new Response(null, { status: 302, headers: { ...common, ...linked, location } });
  }

  #large(hash: string, range: string | null): Response {
    const all = Object.values(this.repositories).flatMap(({ commits }) => Object.values(commits));
    const whole = all.flatMap((files) => Object.values(files)).find((bytes) => sha256(bytes) === hash);
    if (!whole) return new Response(null, { status: 404 });
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0), bytes = whole.slice(from);
    const headers = { "content-length": String(bytes.length), etag: `"${hash}"` };
    const status = range ? 206 : 200;
    const ranged: Record<string, string> = range
      ? { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` }
      : {};
    if (this.spoil) bytes[bytes.length - 1] ^= 1;
    this.spoil = false;
    const { breakAfter } = this;
    if (breakAfter === undefined) return new Response(bytes, { status, headers: { ...headers, ...ranged } });
    this.breakAfter = undefined;
    const broken = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, breakAfter));
        controller.close();
      },
    });
    return new Response(broken, { status, headers: ranged });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
