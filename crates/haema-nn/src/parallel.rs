//! Work split over threads without changing results: every job owns its output.

use std::sync::Mutex;

/// Runs `work` on every job, on at most `threads` threads. Each thread makes one `scratch`.
///
/// Jobs are taken in order, by whichever thread is free; so a job must not depend on another, and
/// its result must not depend on its scratch's past.
pub(crate) fn run<J: Send, S>(
    threads: usize,
    jobs: Vec<J>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(J, &mut S) + Sync,
) {
    let helpers = threads.min(jobs.len()).saturating_sub(1);
    let queue = Mutex::new(jobs.into_iter());
    let run = || {
        let mut scratch = scratch();
        loop {
            let job = queue.lock().expect("no job panics while it holds the queue").next();
            let Some(job) = job else { break };
            work(job, &mut scratch);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(run);
        }
        run();
    });
}

/// Runs `work(index, chunk)` on chunks of `len` elements.
pub(crate) fn chunks<T: Send>(
    threads: usize,
    data: &mut [T],
    len: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let jobs = data.chunks_mut(len).enumerate().collect();
    run(threads, jobs, || (), |(index, chunk), ()| work(index, chunk));
}
