//! One piece of memory that all results share.

use std::ops::Range;

use haema_kernels::ChannelBlock;
use haema_kernels::buffer::Buffer;

/// Memory in which results have places that may overlap where they do not live at the same time.
#[derive(Debug)]
pub(super) struct Arena(Buffer);

/// All of an arena but one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    before: &'a [ChannelBlock],
    after: &'a [ChannelBlock],
    after_starts_at: usize,
}

impl Arena {
    pub(super) fn new(len: usize) -> Self {
        Self(Buffer::zeroed(len))
    }

    /// One place to write, and all else to read.
    pub(super) fn split(&mut self, place: Range<usize>) -> (Rest<'_>, &mut [ChannelBlock]) {
        let (before, rest) = self.0.split_at_mut(place.start);
        let (own, after) = rest.split_at_mut(place.len());
        (Rest { before, after, after_starts_at: place.end }, own)
    }
}

impl<'a> Rest<'a> {
    /// Another place.
    ///
    /// # Panics
    ///
    /// Where it overlaps the place that is written.
    pub(super) fn get(&self, place: Range<usize>) -> &'a [ChannelBlock] {
        if place.end <= self.before.len() {
            return &self.before[place];
        }
        let start = self.after_starts_at;
        assert!(place.start >= start, "a result is read where another is written");
        &self.after[place.start - start..place.end - start]
    }
}
