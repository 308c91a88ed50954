//! One piece of memory that all results share.

use std::ops::Range;

use haema_kernels::buffer::Buffer;
use haema_kernels::{ChannelBlock, Element, HalfBlock};

use super::InferencePrecision;

/// An arena of either width.
#[derive(Debug)]
pub(super) enum Memory {
    Full(Arena<ChannelBlock>),
    Half(Arena<HalfBlock>),
}

impl Memory {
    pub(super) fn new(precision: InferencePrecision, len: usize) -> Self {
        match precision {
            InferencePrecision::Fp32 => Self::Full(Arena(Buffer::zeroed(len))),
            InferencePrecision::Bf16 => Self::Half(Arena(Buffer::zeroed(len))),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Full(arena) => size_of_val(&*arena.0),
            Self::Half(arena) => size_of_val(&*arena.0),
        }
    }
}

/// Memory in which results have places that may overlap where they do not live at the same time.
#[derive(Debug)]
pub(super) struct Arena<E>(Buffer<E>);

/// All of an arena but one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a, E> {
    before: &'a [E],
    after: &'a [E],
    after_starts_at: usize,
}

impl<E: Element> Arena<E> {
    /// One place to write, and all else to read.
    pub(super) fn split(&mut self, place: Range<usize>) -> (Rest<'_, E>, &mut [E]) {
        let (before, rest) = self.0.split_at_mut(place.start);
        let (own, after) = rest.split_at_mut(place.len());
        (Rest { before, after, after_starts_at: place.end }, own)
    }
}

impl<'a, E> Rest<'a, E> {
    /// Another place.
    ///
    /// # Panics
    ///
    /// Where it overlaps the place that is written.
    pub(super) fn get(&self, place: Range<usize>) -> &'a [E] {
        if place.end <= self.before.len() {
            return &self.before[place];
        }
        let start = self.after_starts_at;
        assert!(place.start >= start, "a result is read where another is written");
        &self.after[place.start - start..place.end - start]
    }
}
