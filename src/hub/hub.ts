/**
 * Models on the Hugging Face Hub, in the cache that Python's huggingface_hub keeps, so that both share files:
 *
 *     $HF_HUB_CACHE (or $HF_HOME/hub)/models--ORG--NAME/
 *       refs/REVISION                 the commit that a branch or tag was when it was last fetched
 *       snapshots/COMMIT/config.json  a link to ../../blobs/HASH
 *       blobs/HASH                    SHA-256 of large files, git's SHA-1 of small ones
 */
import { createHash } from "node:crypto";
import { Failure, InputError, messageOf } from "../common/errors.ts";
import { exists, makeFolder, parentOf, writeText } from "../files/atomic.ts";

/** A repository of the Hub at a branch, tag or commit. */
export interface HubReference {
  /** ORG/NAME */
  repository: string;
  revision: string;
}

/** What takes the progress of a download. */
export type OnDownload = (file: string, done: number, of: number | undefined) => void;

/** The files of a model folder. */
const modelFiles = ["config.json", "model.safetensors"] as const;

/**
 * What `hf:ORG/NAME[@REVISION]` names.
 * @returns undefined where a location does not begin with `hf:`
 * @throws {InputError} when what follows is no name
 */
export function hubReference(location: string): HubReference | undefined {
  if (!location.startsWith("hf:")) return undefined;
  const [, repository, revision] = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/.exec(location) ?? [];
  const parts = `${repository}/${revision ?? "main"}`.split("/");
  if (repository === undefined || parts.some((part) => /^\.*$/.test(part))) {
    throw new InputError(`${location} is not a model of the Hub: write hf:ORG/NAME or hf:ORG/NAME@REVISION`);
  }
  return { repository, revision: revision ?? "main" };
}

const variable = (name: string) => Deno.env.get(name) || undefined;

/** Where the Hub is. */
function endpointOf(): string {
  return (variable("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
}

function hubHome(): string {
  const cache = variable("XDG_CACHE_HOME") ?? `${variable("HOME") ?? "."}/.cache`;
  return variable("HF_HOME") ?? `${cache}/huggingface`;
}

/** The cache folder of a repository. */
function storageOf({ repository }: HubReference): string {
  return `${hubCache()}/models--${repository.replaceAll("/", "--")}`;
}

function hubCache(): string {
  return variable("HF_HUB_CACHE") ?? `${hubHome()}/hub`;
}

/** The user's token: HF_TOKEN, or what `hf auth login` left. */
async function tokenOf(): Promise<string | undefined> {
  const given = variable("HF_TOKEN")?.trim();
  if (given) return given;
  const path = variable("HF_TOKEN_PATH") ?? `${hubHome()}/token`;
  return (await Deno.readTextFile(path).catch(() => "")).trim() || undefined;
}

/**
 * The folder of a model of the Hub. What the cache has is taken from there, without the network; a branch that has
 * moved on
 * is seen by {@link fetchModel}. What it lacks is fetched, where the program may use the network.
 * @throws {InputError} when it is not in the cache and the network is not allowed, or when the repository is not
 * there or
 * holds no model
 * @throws {Failure} when the download fails, or a file of the cache is not what its name says
 */
export async function hubModel(reference: HubReference): Promise<string> {
  const found = await cachedModel(reference);
  if (found) return found;
  const { repository, revision } = reference, endpoint = endpointOf(), { host } = new URL(endpoint);
  const name = `hf:${repository}${revision === "main" ? "" : `@${revision}`}`;
  const { state } = await Deno.permissions.query({ name: "net", host });
  if (state === "granted" && !/^(1|true|yes|on)$/i.test(variable("HF_HUB_OFFLINE") ?? "")) {
    return await fetchModel(reference);
  }
  throw new InputError(
    `${name} is not in the cache ${hubCache()}, and this command does not use the network: ` +
      `first run, where there is a network, deno task fetch --model ${name}`,
  );
}

/** The folder of a model in the cache, its files checked against their hashes; undefined if a file is missing. */
export async function cachedModel(reference: HubReference): Promise<string | undefined> {
  const storage = storageOf(reference), { revision } = reference;
  const commit = /^[0-9a-f]{40}$/.test(revision)
    ? revision
    : (await Deno.readTextFile(`${storage}/refs/${revision}`).catch(() => "")).trim();
  if (!commit) return undefined;
  const folder = `${storage}/snapshots/${commit}`;
  for (const name of modelFiles) if (!await exists(`${folder}/${name}`)) return undefined;
  for (const name of modelFiles) {
    const blob = await Deno.realPath(`${folder}/${name}`), hash = blob.split("/").at(-1)!;
    const wrong = await mismatch(blob, hash);
    if (wrong) throw new Failure(`${blob} has been damaged: ${wrong}; remove it, and fetch the model again`);
  }
  return folder;
}

/** What is wrong with a file that should have a hash; undefined where it has it, or the text is no hash. */
async function mismatch(path: string, hash: string): Promise<string | undefined> {
  if (!/^([0-9a-f]{64}|[0-9a-f]{40})$/.test(hash)) return undefined;
  const isGit = hash.length === 40, digest = createHash(isGit ? "sha1" : "sha256");
  using file = await Deno.open(path);
  if (isGit) digest.update(`blob ${(await file.stat()).size}\0`);
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await file.read(buffer)) !== null;) digest.update(buffer.subarray(0, n));
  const found = digest.digest("hex");
  return found === hash ? undefined : `its ${isGit ? "git hash" : "SHA-256"} is ${found}, not ${hash}`;
}

/**
 * Fetches a model of the Hub into the cache: what is there is not fetched again, and a download that broke off goes on.
 * @returns its folder in the cache
 * @throws {InputError} when there is no such repository or revision, it holds no model, or it asks for a token
 * @throws {Failure} when the network or the disk fails, or what came is not what it should be
 */
export async function fetchModel(
  reference: HubReference,
  onDownload: OnDownload = () => {},
): Promise<string> {
  const storage = storageOf(reference), token = await tokenOf();
  let commit = reference.revision, revision = commit;
  for (const name of modelFiles) {
    const file = await remoteFile({ ...reference, revision }, name, token);
    // All files of the one commit, whatever is pushed meanwhile.
    commit = revision = file.commit;
    const blob = `${storage}/blobs/${file.etag}`, link = `${storage}/snapshots/${commit}/${name}`;
    if (await exists(link)) continue;
    await makeFolder(parentOf(blob));
    await makeFolder(parentOf(link));
    await withLock(`${hubCache()}/.locks/${storage.split("/").at(-1)}/${file.etag}.lock`, async () => {
      if (!await exists(blob)) await download(file, blob, token, (done) => onDownload(name, done, file.size));
      if (!await exists(link)) await Deno.symlink(`../../blobs/${file.etag}`, link);
    });
  }
  if (commit !== reference.revision) {
    const ref = `${storage}/refs/${reference.revision}`;
    await makeFolder(parentOf(ref));
    await writeText(ref, commit);
  }
  return `${storage}/snapshots/${commit}`;
}

/** A file as the Hub describes it. */
interface RemoteFile {
  url: URL;
  /** Whether the user's token may be sent there. */
  trusted: boolean;
  commit: string;
  etag: string;
  size: number | undefined;
}

function headersOf(token: string | undefined): Record<string, string> {
  return {
    "accept-encoding": "identity",
    "user-agent": "astromer",
    ...token ? { authorization: `Bearer ${token}` } : {},
  };
}

/** Fetches, and says which host does not answer. */
async function request(url: URL, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new Failure(
        `the Hub keeps the file at ${url.host}, where this program may not connect: --allow-net=${url.host}`,
      );
    }
    throw new Failure(`${url.host} does not answer: ${messageOf(error)}`);
  }
}

async function remoteFile(
  { repository, revision }: HubReference,
  name: string,
  token: string | undefined,
): Promise<RemoteFile> {
  const start = new URL(`${endpointOf()}/${repository}/resolve/${encodeURIComponent(revision)}/${name}`);
  let url = start;
  for (let hops = 0; hops < 5; hops++) {
    const response = await request(url, { method: "HEAD", headers: headersOf(token), redirect: "manual" });
    const { status, headers } = response, location = headers.get("location");
    await response.body?.cancel();
    // A repository that was renamed; where the file itself lies elsewhere, the Hub says its hash along with that.
    if (status >= 300 && status < 400 && location?.startsWith("/") && !headers.has("x-linked-etag")) {
      url = new URL(location, url);
      continue;
    }
    if (status >= 400) throw refused(`${repository}@${revision}`, name, status, headers, token);
    const commit = headers.get("x-repo-commit");
    const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll(
      '"',
      "",
    );
    if (!commit || !/^[\w.-]+$/.test(etag) || !/^[0-9a-f]{40}$/.test(commit)) {
      throw new Failure(`${url.host} does not answer as a Hub does: commit or hash of ${name} is missing`);
    }
    const size = headers.get("x-linked-size") ?? (location ? null : headers.get("content-length"));
    const file = location ? new URL(location, url) : url;
    const trusted = file.host === start.host;
    return { url: file, trusted, commit, etag, size: size === null ? undefined : Number(size) };
  }
  throw new Failure(`${start} redirects too often`);
}

/** Why the Hub does not give a file. */
function refused(
  repository: string,
  name: string,
  status: number,
  headers: Headers,
  token: string | undefined,
): Error {
  const code = headers.get("x-error-code"), host = new URL(endpointOf()).host;
  if (code === "EntryNotFound") {
    return new InputError(
      `hf:${repository} is no model that this software reads: it has no ${name} (a model folder has ${
        modelFiles.join(" and ")
      })`,
    );
  }
  if (code === "RevisionNotFound") return new InputError(`hf:${repository}: there is no such revision`);
  if (code === "GatedRepo" || status === 403) {
    return new InputError(`hf:${repository}: you have to ask for access on its page at ${host}`);
  }
  if (code === "RepoNotFound" || status === 401 || status === 404) {
    return new InputError(
      `hf:${repository}: ${host} has no such repository, or it is private: ${
        token ? "the token has no access" : "then HF_TOKEN must hold a token with access"
      }`,
    );
  }
  return new Failure(`hf:${repository}: ${host} answers ${status} for ${name}`);
}

/** Runs while no other process does the same, Python's huggingface_hub included. */
async function withLock(path: string, run: () => Promise<void>): Promise<void> {
  await makeFolder(parentOf(path));
  using file = await Deno.open(path, { create: true, write: true });
  // Where a file system has no locks, two may fetch the same: each renames a whole file into place.
  await file.lock(true).catch(() => {});
  await run();
}

/** Attempts in a row that bring nothing, before a download is given up. */
const attempts = 5;

async function download(
  { url, trusted, etag, size }: RemoteFile,
  blob: string,
  token: string | undefined,
  onDownload: (done: number) => void,
): Promise<void> {
  const partial = `${blob}.astromer.incomplete`;
  for (let failures = 0;;) {
    const before = await sizeOf(partial);
    try {
      if (size === undefined || before < size) {
        await append(url, trusted ? token : undefined, partial, before, onDownload);
      }
      const got = await sizeOf(partial);
      if (size !== undefined && got < size) throw new Failure(`${url.host} sent ${got} bytes of ${size}`);
      break;
    } catch (error) {
      if (error instanceof InputError || /not allowed|cannot be written/.test(messageOf(error))) throw error;
      failures = await sizeOf(partial) > before ? 0 : failures + 1;
      if (failures === attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, failures * 500));
    }
  }
  const wrong = size !== undefined && await sizeOf(partial) !== size
    ? `${await sizeOf(partial)} bytes, not ${size}`
    : await mismatch(partial, etag);
  if (wrong) {
    await Deno.remove(partial);
    throw new Failure(`what ${url.host} sent is not the file that the Hub names: ${wrong}; try again`);
  }
  await Deno.rename(partial, blob);
}

async function sizeOf(path: string): Promise<number> {
  return await exists(path) ? (await Deno.stat(path)).size : 0;
}

/** Appends what is missing to a file; a server that cannot go on in the middle begins it anew. */
async function append(
  url: URL,
  token: string | undefined,
  path: string,
  from: number,
  onDownload: (done: number) => void,
): Promise<void> {
  const headers = { ...headersOf(token), ...from ? { range: `bytes=${from}-` } : {} };
  const response = await request(url, { headers });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    if (response.status === 416) await Deno.remove(path);
    throw new Failure(`${url.host} answers ${response.status} ${response.statusText}`.trim());
  }
  const goesOn = response.status === 206;
  using file = await Deno.open(path, { create: true, write: true, append: goesOn, truncate: !goesOn })
    .catch((error) => {
      throw new Failure(`${path} cannot be written: ${messageOf(error)}`);
    });
  let done = goesOn ? from : 0;
  for await (const bytes of response.body) {
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written)).catch((error) => {
        throw new Failure(`${path} cannot be written: ${messageOf(error)}`);
      });
    }
    onDownload(done += bytes.length);
  }
}
