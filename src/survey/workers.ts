/** Work for several threads, its results in order. */
import { Failure } from "../errors.ts";

/**
 * Has workers do tasks: each answers every message with one. Results come in the order of the tasks, and only few are made ahead
 * of the one that is asked for.
 * @param module the worker's module
 * @throws {Failure} when a worker fails
 */
export async function* inWorkers<Task, Result>(
  module: URL,
  tasks: readonly Task[],
  threads: number,
): AsyncGenerator<Result> {
  const workers = Array.from(
    { length: Math.min(threads, tasks.length) },
    () => new Worker(module, { type: "module" }),
  );
  // A worker answers in the order in which it was asked.
  const waiting = workers.map((worker) => {
    const answers: PromiseWithResolvers<Result>[] = [];
    worker.onmessage = ({ data }) => answers.shift()!.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of answers.splice(0)) reject(new Failure(`a worker failed: ${event.message}`));
    };
    return answers;
  });
  const pending: Promise<Result>[] = [];
  let asked = 0;
  try {
    while (asked < tasks.length || pending.length > 0) {
      // One more than there are workers, so that none waits while the caller is busy.
      while (asked < tasks.length && pending.length < workers.length + 2) {
        const answer = Promise.withResolvers<Result>(), which = asked % workers.length;
        waiting[which].push(answer);
        workers[which].postMessage(tasks[asked++]);
        answer.promise.catch(() => {}); // it is thrown when it is waited for
        pending.push(answer.promise);
      }
      yield await pending.shift()!;
    }
  } finally {
    for (const worker of workers) worker.terminate();
  }
}
