// One at a time, over all tabs of an origin.

type Work<T> = () => Promise<T>;

/** Gives each work its turn; a tab that is closed in the middle of its own gives it back. */
export function turns(name: string): <T>(work: Work<T>) => Promise<T> {
  // Absent in programs, and where the page isn't a secure context. Two tabs may refresh at once
  // then, which the service allows within `refresh.grace`.
  const locks = globalThis.navigator?.locks;
  if (locks && typeof document !== "undefined") {
    return async (work) => locks.request(name, work) as ReturnType<typeof work>;
  }
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
