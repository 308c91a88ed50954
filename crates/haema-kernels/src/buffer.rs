//! Memory for tensors.
//!
//! Tensors are tens of megabytes, read from end to end: in pages of 4 KiB a network's pass spends
//! an eighth of its time on looking up addresses. Where Linux is willing (`madvise` in
//! `/sys/kernel/mm/transparent_hugepage/enabled`, as is common), a [`Buffer`] lies in pages of 2 MiB.

#![expect(unsafe_code, reason = "memory from the system, zeroed on first use")]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::element::Element;
use crate::layout::ChannelBlock;

/// Zeroed elements, whose pages the system gives when they are first used.
pub struct Buffer<E = ChannelBlock> {
    first: NonNull<E>,
    len: usize,
    pages: Pages,
}

// SAFETY: a `Buffer` owns its memory, and elements are plain numbers.
unsafe impl<E: Element> Send for Buffer<E> {}
// SAFETY: as above; shared access only reads.
unsafe impl<E: Element> Sync for Buffer<E> {}

impl<E: Element> Buffer<E> {
    /// `len` elements, all zero.
    ///
    /// # Panics
    ///
    /// Where the system has no memory to give.
    pub fn zeroed(len: usize) -> Self {
        if len == 0 {
            return Self { first: NonNull::dangling(), len, pages: Pages::none() };
        }
        let (pages, first) = Pages::zeroed(len * size_of::<E>());
        Self { first: first.cast(), len, pages }
    }
}

impl<E: Element> Deref for Buffer<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        // SAFETY: `first` begins `len` elements that this buffer owns, aligned to 64, which is as
        // much as either width wants, and zero, which is a value of either, or since written as
        // elements; of none it dangles, which a slice of none may.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as in `deref`, and the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<E> Drop for Buffer<E> {
    fn drop(&mut self) {
        self.pages.release();
    }
}

impl<E> std::fmt::Debug for Buffer<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer of {} elements", self.len)
    }
}

#[cfg(target_os = "linux")]
struct Pages {
    start: *mut libc::c_void,
    bytes: usize,
}

#[cfg(target_os = "linux")]
impl Pages {
    /// Bytes of a large page on x86-64 and, mostly, elsewhere.
    const LARGE: usize = 2 << 20;

    fn none() -> Self {
        Self { start: std::ptr::null_mut(), bytes: 0 }
    }

    /// Zeroed pages, and where in them the first element lies: on a large page where that pays.
    fn zeroed(bytes: usize) -> (Self, NonNull<ChannelBlock>) {
        let slack = if bytes < Self::LARGE { 0 } else { Self::LARGE };
        let whole = bytes.checked_add(slack).expect("a tensor fits the address space");
        // SAFETY: asks for private memory of no file at no fixed address; touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                whole,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert!(start != libc::MAP_FAILED, "no memory for a tensor of {bytes} bytes");
        let aligned = if slack == 0 { 0 } else { start.align_offset(Self::LARGE) };
        let first = start.wrapping_byte_add(aligned);
        if slack > 0 {
            // SAFETY: the range lies in the mapping above. A refusal changes nothing but speed.
            unsafe { libc::madvise(first, bytes, libc::MADV_HUGEPAGE) };
        }
        let first = NonNull::new(first.cast()).expect("a mapping is never at address 0");
        (Self { start, bytes: whole }, first)
    }

    fn release(&mut self) {
        if self.bytes > 0 {
            // SAFETY: the mapping was made by `zeroed`, is released once, and its only user is
            // being dropped.
            unsafe { libc::munmap(self.start, self.bytes) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
struct Pages(Vec<ChannelBlock>);

#[cfg(not(target_os = "linux"))]
impl Pages {
    fn none() -> Self {
        Self(Vec::new())
    }

    fn zeroed(bytes: usize) -> (Self, NonNull<ChannelBlock>) {
        let mut elements = vec![ChannelBlock::default(); bytes.div_ceil(size_of::<ChannelBlock>())];
        let first = NonNull::new(elements.as_mut_ptr()).expect("a vector's pointer is not null");
        (Self(elements), first)
    }

    fn release(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::LANES;

    #[test]
    fn every_element_is_zero_aligned_and_kept() {
        for len in [0, 1, 63, 64, 1000, 40_000, 100_001] {
            let mut buffer: Buffer = Buffer::zeroed(len);

            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|element| element.0 == [0.0; LANES]));
            assert_eq!(buffer.as_ptr().align_offset(64), 0);
            for (i, element) in buffer.iter_mut().enumerate() {
                element.0[i % LANES] = i as f32;
            }
            assert!(buffer.iter().enumerate().all(|(i, element)| element.0[i % LANES] == i as f32));
        }
    }

    #[test]
    fn a_buffer_may_be_used_on_another_thread() {
        let mut buffer = Buffer::zeroed(50_000);

        std::thread::scope(|scope| {
            let (a, b) = buffer.split_at_mut(25_000);
            scope.spawn(move || a.fill(ChannelBlock([1.0; LANES])));
            b.fill(ChannelBlock([2.0; LANES]));
        });

        assert_eq!((buffer[24_999].0[0], buffer[25_000].0[0]), (1.0, 2.0));
    }
}
