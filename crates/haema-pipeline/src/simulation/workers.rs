//! Several cases at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{CaseRecord, Heads, Order, Place, Progress, SimulateError};

/// More cases at a time would take more memory than many machines have: up to 1 GB each.
const MOST_AT_A_TIME: usize = 4;

/// Workers that make all cases of one head after another, so that each head is prepared once.
pub(super) struct Workers<'a> {
    order: &'a Order,
    heads: &'a Heads,
    at_a_time: usize,
    /// Threads of each worker.
    threads: NonZeroUsize,
}

/// A case that is done: its place in the order of reports, its record, and whether it was there.
type Done = (usize, Result<(CaseRecord, bool), SimulateError>);

impl<'a> Workers<'a> {
    pub(super) fn of(order: &'a Order, heads: &'a Heads) -> Self {
        let most = heads.count().min(order.cases).min(MOST_AT_A_TIME);
        let at_a_time = order.threads.get().min(most);
        let threads = order.threads.get() / at_a_time;
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        Self { order, heads, at_a_time, threads }
    }

    fn scans(&self) -> usize {
        if self.order.followup { 2 } else { 1 }
    }

    /// Patients of a head: its number, and every [`Heads::count`]th after it.
    fn patients(&self, head: usize) -> impl Iterator<Item = usize> + use<> {
        (head..self.order.cases).step_by(self.heads.count())
    }

    /// Makes all cases. They are reported in the same order whichever is done first.
    pub(super) fn run(
        &self,
        out: &Path,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<CaseRecord>, SimulateError> {
        let next_head = AtomicUsize::new(0);
        let has_failed = AtomicBool::new(false);
        let flags = (&next_head, &has_failed);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            for _ in 0..self.at_a_time {
                let sender = sender.clone();
                scope.spawn(move || self.work(out, flags, &sender));
            }
            drop(sender);
            self.report(&receiver, on_progress)
        })
    }

    /// Makes the cases of the next head until there is none, or another worker has failed.
    fn work(
        &self,
        out: &Path,
        (next_head, has_failed): (&AtomicUsize, &AtomicBool),
        sender: &Sender<Done>,
    ) {
        loop {
            let head = next_head.fetch_add(1, Ordering::Relaxed);
            if head >= self.heads.count() {
                return;
            }
            let first: usize = (0..head).map(|head| self.patients(head).count()).sum();
            let mut anatomy = None;
            let mut number = first * self.scans();
            for patient in self.patients(head) {
                for visit in 0..self.scans() {
                    if has_failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let place = Place { out, id: self.order.case_id(patient, visit) };
                    let made = self.case(&mut anatomy, head, (patient, visit), &place);
                    if made.is_err() {
                        has_failed.store(true, Ordering::Relaxed);
                    }
                    // Nobody listens any more once another case has failed.
                    let _unheard = sender.send((number, made));
                    number += 1;
                }
            }
        }
    }

    fn case(
        &self,
        anatomy: &mut Option<haema_sim::Anatomy>,
        head: usize,
        case: (usize, usize),
        place: &Place<'_>,
    ) -> Result<(CaseRecord, bool), SimulateError> {
        if let Some(record) = place.record()? {
            return Ok((record, true));
        }
        let anatomy = match anatomy {
            Some(anatomy) => anatomy,
            none => none.insert(self.heads.read(head, self.threads)?),
        };
        Ok((self.order.make(anatomy, case, (place, self.threads))?, false))
    }

    fn report(
        &self,
        receiver: &Receiver<Done>,
        on_progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<CaseRecord>, SimulateError> {
        let total = self.order.cases * self.scans();
        let mut records = Vec::new();
        let mut early = BTreeMap::new();
        let mut failed = None;
        for (number, made) in receiver {
            match made {
                Ok(made) => drop(early.insert(number, made)),
                Err(error) => failed = failed.or(Some(error)),
            }
            while let Some((record, is_old)) = early.remove(&records.len()) {
                records.push(record);
                let (done, record) = (records.len(), &records[records.len() - 1]);
                on_progress(Progress { done, total, record, is_old });
            }
        }
        failed.map_or(Ok(records), Err)
    }
}
