//! Stores that several processes share, and what each of them may go by.
//!
//! | file | holds |
//! |---|---|
//! | `lease` | for how long a process may go by what it keeps |
//! | `poller` | the thread that renews it |
//! | `pace` | how far apart its polls are |
//! | `calls` | what every shared store answers alike |
//! | `io` | the threads that ask a store on behalf of callers |
//! | `journal` | ends, written down in `PostgreSQL` for a store that may lose them |
//! | `postgres` | the store on `PostgreSQL` |
//! | `redis` | the store on Redis or Valkey, one server or a cluster |
//! | `split` | records on Redis, and in `PostgreSQL` what all processes go by |
//!
//! A process keeps records and content keys in memory. It may use one only while it holds a lease: for a
//! short time after it has *asked* the store what has ended, if all of the answer has been applied. Whatever
//! ends a token is made durable, and answered only when that time has passed. So no process lets a token in
//! after the answer, whatever becomes of the network between them, and no process has to know of the others.
//!
//! In symbols: a poll is sent at `s`; an end is visible in the store at `c`, confirmed at `r >= c` and
//! answered at `a >= r + L`. A request that begins after `a` reads its lease at `k > a`. That lease is from a
//! poll with `s > k - L`. Had the end been visible when that poll was served, it would have been applied
//! before the lease could be used, and what is read after the lease is no longer current. Otherwise `c > s`, and
//! `k < s + L < c + L <= r + L <= a`: a contradiction. The clocks may differ in rate by one per cent; it
//! is added to the wait.
//!
//! `L` may grow, to `L'`. A change has read `L`, and a lease is for `L'`: then the poll was served after the growth was
//! committed, and the change before that, for the growth waits for changes that are under way (`postgres::length`). So the poll has
//! brought the change. Where the change has read what the lease is for, the above holds. `L` shrinks only where no process
//! goes by the store any more.
//!
//! This room must never let a poll count that isn't known to have been answered by the store that takes the
//! changes, and never answer an end before the wait is over.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod calls;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod io;
#[cfg(feature = "redis")]
pub(crate) mod journal;
pub(crate) mod lease;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod pace;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod poller;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(all(feature = "postgres", feature = "redis"))]
pub(crate) mod split;
