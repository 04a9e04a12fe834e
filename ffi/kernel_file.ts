/** Files that the kernel makes up. */
/** The C library's reader, and what it reads into: for good, since Deno keeps a library's calls even where it is closed. */
let reader: ReturnType<typeof openReader> | undefined;

function openReader() {
  const { symbols } = Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  return { ...symbols, bytes: new Uint8Array(1 << 16) };
}

/**
 * The text of a file that the kernel makes up, such as /proc/cpuinfo. Deno itself reads those only with all permissions;
 * the C library needs no more than that of native code.
 * @returns undefined where there is no such file
 */
export function kernelFile(path: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { open, read, close, bytes } = reader ??= openReader();
  const file = open(new TextEncoder().encode(`${path}\0`), 0);
  if (file < 0) return undefined;
  try {
    const decoder = new TextDecoder();
    let text = "";
    for (let n; (n = Number(read(file, bytes, BigInt(bytes.length)))) > 0;) {
      text += decoder.decode(bytes.subarray(0, n), { stream: true });
    }
    return text;
  } finally {
    close(file);
  }
}
