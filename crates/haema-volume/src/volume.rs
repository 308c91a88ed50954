//! A dense three-dimensional array.

use thiserror::Error;

/// A dense array of voxels, indexed `[z, y, x]`, `x` fastest in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume<T> {
    size: [usize; 3],
    voxels: Vec<T>,
}

/// Why voxels and a size do not make a volume.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// The number of voxels is not the product of the size.
    #[error("{found} voxels do not fill a volume of {size:?} [z, y, x] voxels")]
    WrongCount {
        /// How many voxels were given.
        found: usize,
        /// The size they were to fill.
        size: [usize; 3],
    },
    /// Two things that must share a grid do not.
    #[error("size {found:?} [z, y, x] where {wanted:?} was wanted")]
    SizesDiffer {
        /// The size that was found.
        found: [usize; 3],
        /// The size that was wanted.
        wanted: [usize; 3],
    },
}

impl<T> Volume<T> {
    /// Makes a volume of `size` `[z, y, x]` from its voxels, `x` fastest.
    ///
    /// # Errors
    ///
    /// [`VolumeError::WrongCount`] where there are more or fewer voxels than the size holds.
    pub fn new(size: [usize; 3], voxels: Vec<T>) -> Result<Self, VolumeError> {
        let wanted = size.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        if wanted != Some(voxels.len()) {
            return Err(VolumeError::WrongCount { found: voxels.len(), size });
        }
        Ok(Self { size, voxels })
    }

    /// For operations of this crate that have counted their voxels.
    pub(crate) fn from_counted(size: [usize; 3], voxels: Vec<T>) -> Self {
        debug_assert_eq!(size.iter().product::<usize>(), voxels.len(), "miscounted");
        Self { size, voxels }
    }

    /// Makes a volume whose voxels are `value_at([z, y, x])`, called in memory order.
    pub fn from_fn(size: [usize; 3], mut value_at: impl FnMut([usize; 3]) -> T) -> Self {
        let mut voxels = Vec::with_capacity(size.iter().product());
        for z in 0..size[0] {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    voxels.push(value_at([z, y, x]));
                }
            }
        }
        Self { size, voxels }
    }

    /// Number of voxels along `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Where `[z, y, x]` lies in [`Volume::as_slice`].
    #[inline]
    pub fn offset(&self, [z, y, x]: [usize; 3]) -> usize {
        (z * self.size[1] + y) * self.size[2] + x
    }

    /// All voxels, `x` fastest.
    pub fn as_slice(&self) -> &[T] {
        &self.voxels
    }

    /// All voxels, `x` fastest, to change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    /// The voxels of one slice, `[y, x]`.
    ///
    /// # Panics
    ///
    /// Where `z` is outside the volume.
    pub fn plane(&self, z: usize) -> &[T] {
        let len = self.size[1] * self.size[2];
        &self.voxels[z * len..(z + 1) * len]
    }

    /// The voxels of one slice, `[y, x]`, to change.
    ///
    /// # Panics
    ///
    /// Where `z` is outside the volume.
    pub fn plane_mut(&mut self, z: usize) -> &mut [T] {
        let len = self.size[1] * self.size[2];
        &mut self.voxels[z * len..(z + 1) * len]
    }

    /// The voxels themselves, `x` fastest.
    pub fn into_voxels(self) -> Vec<T> {
        self.voxels
    }

    /// A volume of the same size whose voxels are `f(voxel)`.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Volume<U> {
        Volume { size: self.size, voxels: self.voxels.iter().map(f).collect() }
    }
}

impl<T: Clone> Volume<T> {
    /// A volume of `size` `[z, y, x]` filled with one value.
    pub fn filled(size: [usize; 3], value: T) -> Self {
        Self { size, voxels: vec![value; size.iter().product()] }
    }
}

impl<T> std::ops::Index<[usize; 3]> for Volume<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: [usize; 3]) -> &T {
        debug_assert!(index.iter().zip(self.size).all(|(&i, n)| i < n), "index out of the volume");
        &self.voxels[self.offset(index)]
    }
}

impl<T> std::ops::IndexMut<[usize; 3]> for Volume<T> {
    #[inline]
    fn index_mut(&mut self, index: [usize; 3]) -> &mut T {
        debug_assert!(index.iter().zip(self.size).all(|(&i, n)| i < n), "index out of the volume");
        let offset = self.offset(index);
        &mut self.voxels[offset]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_is_fastest() {
        let volume = Volume::from_fn([2, 3, 4], |[z, y, x]| 100 * z + 10 * y + x);

        assert_eq!(volume.as_slice()[1], 1);
        assert_eq!(volume.as_slice()[4], 10);
        assert_eq!(volume[[1, 2, 3]], 123);
        assert_eq!(volume.plane(1)[0], 100);
    }

    #[test]
    fn a_wrong_count_is_refused_and_named() {
        let error = Volume::new([2, 2, 2], vec![0_u8; 7]).unwrap_err();

        assert_eq!(
            error.to_string(),
            "7 voxels do not fill a volume of [2, 2, 2] [z, y, x] voxels"
        );
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        assert!(Volume::new([usize::MAX, 2, 1], vec![0_u8; 2]).is_err());
    }
}
