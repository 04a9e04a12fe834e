/** Seeded random numbers: the same key gives the same stream on every machine, so no generator state need be saved. */

/** One stream of random numbers. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** A whole number in [0, n). */
  integer(n: number): number;
  /** Standard normal (Box and Muller 1958). */
  normal(): number;
  /** Shuffles in place (Fisher and Yates) and returns its argument. */
  shuffle<A extends { length: number; [index: number]: unknown }>(items: A): A;
}

/** SplitMix-like mixing of a key into one 32-bit word (Steele, Lea and Flood 2014; constants of Murmur3's finaliser). */
function mix(hash: number, word: number): number {
  hash = Math.imul(hash ^ word, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * A stream named by whole numbers, for instance `seeded(seed, epoch, lightCurve)`: xoshiro128** (Blackman and Vigna
 * 2018), its state filled from the key.
 */
export function seeded(...key: number[]): Random {
  let hash = 0x9e3779b9;
  for (const part of key) {
    hash = mix(hash, part >>> 0);
    hash = mix(hash, Math.floor(part / 0x1_0000_0000) >>> 0);
  }
  // In a typed array: a closure's own variables would make an object of every word beyond 31 bits.
  const state = new Int32Array(4);
  state[0] = mix(hash, 1);
  state[1] = mix(state[0], 2);
  state[2] = mix(state[1], 3);
  state[3] = mix(state[2], 4) | 1;
  const word = () => {
    let b = state[1], c = state[2], d = state[3];
    const a = state[0], r = Math.imul(b, 5), result = Math.imul((r << 7) | (r >>> 25), 9);
    c ^= a;
    d ^= b;
    state[0] = a ^ d;
    state[2] = c ^ (b << 9);
    b ^= c;
    state[1] = b;
    state[3] = (d << 11) | (d >>> 21);
    return result >>> 0;
  };
  const next = () => word() / 0x1_0000_0000;
  return {
    next,
    integer: (n) => Math.floor(next() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        const item = items[i];
        items[i] = items[j];
        items[j] = item;
      }
      return items;
    },
  };
}
