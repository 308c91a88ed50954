//! Work on many items with a few threads, with the answers in order.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

/// `work(i, item)` for each item, in the items' order whatever thread did which.
///
/// # Panics
///
/// Where `work` panics.
pub fn map<I, T>(
    items: I,
    threads: NonZeroUsize,
    work: impl Fn(usize, I::Item) -> T + Sync,
) -> Vec<T>
where
    I: ExactSizeIterator + Send,
    I::Item: Send,
    T: Send,
{
    let count = items.len();
    let thread_count = threads.get().min(count);
    let queue = Mutex::new(items.enumerate());
    let take = || queue.lock().expect("no work is done under the lock, so none can panic").next();
    let run = || std::iter::from_fn(take).map(|(i, item)| (i, work(i, item))).collect::<Vec<_>>();
    let mut done: Vec<(usize, T)> = if thread_count <= 1 {
        run()
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..thread_count).map(|_| scope.spawn(run)).collect();
            let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.flat_map(|part| part.expect("work that panics is a bug of ours")).collect()
        })
    };
    done.sort_by_key(|&(i, _)| i);
    done.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_order_of_the_items() {
        let threads = NonZeroUsize::new(3).unwrap();

        let squares = map(0..100_usize, threads, |i, item| (i, item * item));

        assert!(squares.iter().enumerate().all(|(i, &answer)| answer == (i, i * i)));
    }

    #[test]
    fn no_items_need_no_thread() {
        assert!(map(0..0_usize, NonZeroUsize::MIN, |_, item| item).is_empty());
    }
}
