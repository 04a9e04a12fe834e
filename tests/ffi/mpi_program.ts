/** What every rank of the test runs: each call once; one line of JSON a rank. */
import { launched, Mpi } from "../../ffi/mpi.ts";

const mpi = Mpi.start(launched());
if (Deno.args[0] === "fail" && mpi.rank === 1) mpi.abort(3); // the others wait for it
const [single, double] = [new Float32Array(3).fill(mpi.rank + 1), Float64Array.of(0.1, -mpi.rank)];
mpi.sum(single);
mpi.sum(double);
const largest = Float64Array.of(mpi.rank, -mpi.rank);
mpi.max(largest);
const bytes = new Uint8Array(5).fill(mpi.rank + 7);
mpi.broadcast(bytes);
const gathered = mpi.gather(new Uint8Array(mpi.rank).fill(mpi.rank));
mpi.barrier();
console.log(JSON.stringify({
  rank: mpi.rank,
  size: mpi.size,
  implementation: mpi.implementation,
  single: [...single],
  double: [...double],
  largest: [...largest],
  bytes: [...bytes],
  gathered: gathered.map((part) => [...part]),
}));
mpi.finalize();
