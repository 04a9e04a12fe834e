/** Work for several threads, its results in order. */
import { Failure, messageOf } from "../common/errors.ts";

/** What a worker says of a task. */
type Answer<Result> = { result: Result } | { failure: string };

/**
 * In a worker's module: does the tasks that it is sent. What goes wrong is an answer, too: thrown, it could reach the
 * program after the worker was given up.
 * @param transferred what of a result is moved, not copied
 */
export function answerWith<Task, Result>(
  work: (task: Task) => Result,
  transferred: (result: Result) => Transferable[] = () => [],
): void {
  // A worker's own scope is not among the types that the project is checked with.
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<Task>) => void;
    postMessage(answer: Answer<Result>, transferred: Transferable[]): void;
  };
  scope.onmessage = ({ data }) => {
    try {
      const result = work(data);
      scope.postMessage({ result }, transferred(result));
    } catch (error) {
      scope.postMessage({ failure: messageOf(error) }, []);
    }
  };
}

/**
 * Has workers do tasks: each answers every message with one, by {@link answerWith}. Results come in the order of the tasks, and only few are made ahead
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
    worker.onmessage = ({ data }: MessageEvent<Answer<Result>>) => {
      const answer = answers.shift(); // none where onerror has given up on the worker
      if ("failure" in data) answer?.reject(new Failure(`a worker failed: ${data.failure}`));
      else answer?.resolve(data.result);
    };
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
