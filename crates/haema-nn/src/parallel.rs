//! Work split over threads without changing results: every job owns its output.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use haema_kernels::{ChannelBlock, helpers};

/// Runs `work` on every job, on at most `threads` threads. Each thread makes one `scratch`.
///
/// Jobs are taken in order, by whichever thread is free; so a job must not depend on another, and
/// its result must not depend on its scratch's past. Allocates nothing itself.
pub(crate) fn run<J: Send, S>(
    threads: usize,
    jobs: impl IntoIterator<Item = J, IntoIter: Send>,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(J, &mut S) + Sync,
) {
    let jobs = jobs.into_iter();
    let most = jobs.size_hint().1.unwrap_or(usize::MAX);
    let queue = Mutex::new(jobs);
    helpers::run(threads.min(most), &|| {
        let mut scratch = scratch();
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = job else { break };
            work(job, &mut scratch);
        }
    });
}

/// Runs `work(index, chunk)` on chunks of `len` elements.
pub(crate) fn chunks<T: Send>(
    threads: usize,
    data: &mut [T],
    len: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let jobs = data.chunks_mut(len).enumerate();
    run(threads, jobs, || (), |(index, chunk), ()| work(index, chunk));
}

thread_local! {
    /// Scratch of this thread, kept from pass to pass.
    static KEPT: RefCell<Vec<ChannelBlock>> = const { RefCell::new(Vec::new()) };
}

/// Memory that a thread uses within a pass. Threads live on and keep it, so that a network that runs
/// again allocates nothing.
pub(crate) struct Scratch(Vec<ChannelBlock>);

impl Scratch {
    /// At least `len` elements with anything in them.
    pub(crate) fn of(len: usize) -> Self {
        let mut kept = KEPT.take();
        if kept.len() < len {
            kept.resize(len, ChannelBlock::default());
        }
        Self(kept)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.0));
    }
}

impl Deref for Scratch {
    type Target = [ChannelBlock];

    fn deref(&self) -> &[ChannelBlock] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [ChannelBlock] {
        &mut self.0
    }
}
