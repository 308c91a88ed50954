//! Threads that wait for work, so that no pass over a tensor has to start one.
//!
//! A process keeps as many helpers as were ever busy at once. An idle helper looks for work for
//! some microseconds, for the next pass of a network comes at once, and then sleeps. Helpers know
//! nothing of tensors: who hands out the parts of a pass does so inside the closure that it gives.

#![expect(unsafe_code, reason = "a thread that waits cannot name the lifetime of its next work")]

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// How often a thread looks before it sleeps: some tens of microseconds, about what it costs to wake
/// a sleeper, and longer than two passes of a network are apart.
const LOOKS: u32 = 2000;

/// Helpers that nobody uses now.
static IDLE: Mutex<Vec<Helper>> = Mutex::new(Vec::new());

type Work = dyn Fn() + Sync;

struct Helper {
    desk: Arc<Desk>,
    thread: Thread,
}

/// What a helper and its caller share.
#[derive(Default)]
struct Desk {
    /// Set by the caller with an order, cleared by the helper at its end.
    is_busy: AtomicBool,
    order: Mutex<Option<Order>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

struct Order {
    work: &'static Work,
    /// Who waits for its end.
    caller: Thread,
}

/// Runs `work` at once on this thread and on `threads − 1` helpers, and returns when all have
/// returned.
///
/// Starts threads only where too few are idle, and allocates only then.
///
/// # Panics
///
/// Where `work` does on any thread, after all have ended; or where the system starts no thread.
pub fn run(threads: usize, work: &(dyn Fn() + Sync)) {
    if threads <= 1 {
        return work();
    }
    let hired = Hired::start(work);
    run(threads - 1, work);
    hired.finish();
}

/// A helper at work. Dropping it waits for its end, so that the work outlives its use.
struct Hired<'a> {
    /// `None` only while it is dropped.
    helper: Option<Helper>,
    work: PhantomData<&'a Work>,
}

impl<'a> Hired<'a> {
    fn start(work: &'a (dyn Fn() + Sync + 'a)) -> Self {
        let helper = lock(&IDLE).pop().unwrap_or_else(Helper::start);
        // SAFETY: only the lifetime changes. The helper uses `work` until it clears `is_busy`. The
        // `Hired` made below waits for that when it is dropped; it stays in this module, which
        // leaks none, and it cannot outlive `'a`.
        let work =
            unsafe { std::mem::transmute::<&'a (dyn Fn() + Sync + 'a), &'static Work>(work) };
        *lock(&helper.desk.order) = Some(Order { work, caller: thread::current() });
        helper.desk.is_busy.store(true, Ordering::Release);
        helper.thread.unpark();
        Self { helper: Some(helper), work: PhantomData }
    }

    /// Waits, and passes a panic of the helper on.
    fn finish(self) {
        let panic = self.helper.as_ref().and_then(Helper::wait);
        drop(self);
        if let Some(panic) = panic {
            panic::resume_unwind(panic);
        }
    }
}

impl Drop for Hired<'_> {
    fn drop(&mut self) {
        if let Some(helper) = self.helper.take() {
            helper.wait();
            lock(&IDLE).push(helper);
        }
    }
}

impl Helper {
    fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let own = Arc::clone(&desk);
        let builder = thread::Builder::new().name("haema-helper".to_owned());
        let handle = builder.spawn(move || own.serve()).expect("the system has a thread to give");
        Self { desk, thread: handle.thread().clone() }
    }

    /// Waits for the end of its work; gives the panic that ended it, once.
    fn wait(&self) -> Option<Box<dyn Any + Send>> {
        wait_until(|| !self.desk.is_busy.load(Ordering::Acquire));
        lock(&self.desk.panic).take()
    }
}

impl Desk {
    /// The life of a helper.
    fn serve(&self) {
        loop {
            wait_until(|| self.is_busy.load(Ordering::Acquire));
            let Some(order) = lock(&self.order).take() else { continue };
            if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(order.work)) {
                *lock(&self.panic) = Some(panic);
            }
            self.is_busy.store(false, Ordering::Release);
            order.caller.unpark();
        }
    }
}

/// Looks for a while, then sleeps between looks; who makes `is_true` so must wake this thread.
fn wait_until(is_true: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if is_true() {
            return;
        }
        std::hint::spin_loop();
    }
    while !is_true() {
        thread::park();
    }
}

/// A panic while a lock is held leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn every_thread_runs_the_work_once_and_all_have_ended_at_return() {
        for threads in [0, 1, 2, 5, 2, 3] {
            for _ in 0..200 {
                let runs = AtomicUsize::new(0);

                run(threads, &|| {
                    runs.fetch_add(1, Ordering::Relaxed);
                });

                assert_eq!(runs.into_inner(), threads.max(1));
            }
        }
    }

    #[test]
    fn work_may_hire_helpers_itself() {
        let runs = AtomicUsize::new(0);

        run(3, &|| {
            run(2, &|| {
                runs.fetch_add(1, Ordering::Relaxed);
            });
        });

        assert_eq!(runs.into_inner(), 6);
    }

    #[test]
    fn a_panic_reaches_the_caller_after_all_have_ended_and_helpers_live_on() {
        let (turn, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            run(4, &|| {
                assert_ne!(turn.fetch_add(1, Ordering::Relaxed), 1, "one of the four");
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }));

        assert!(result.is_err());
        assert_eq!(ended.into_inner(), 3);
        every_thread_runs_the_work_once_and_all_have_ended_at_return();
    }
}
