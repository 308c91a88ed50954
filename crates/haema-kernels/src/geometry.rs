//! The convolutions and pools, and what they do to the grid.

/// What a convolution does to the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvKind {
    /// Kernel 1³.
    Pointwise,
    /// Kernel 3³, stride 1, zero padding of one voxel.
    Same3,
    /// Kernel 3 × 3 in the plane, stride 1, zero padding of one voxel.
    Plane3,
    /// Kernel 3³, stride 2. Output voxel `o` is centred on input voxel `2 o`.
    Down3,
    /// Kernel 3³, stride 2, padded after the end only, as TensorFlow's `same` does on even sizes:
    /// output voxel `o` is centred on input voxel `2 o + 1`.
    Down3TfSame,
    /// Nearest upsample by 2, then kernel 3³.
    Up3,
    /// Transposed kernel 2³ with stride 2: each voxel becomes eight.
    Transposed2,
    /// Transposed kernel 2 × 2 in the plane with stride 2: each voxel becomes four.
    PlaneTransposed2,
    /// Nearest upsample by 2 in the plane, then kernel 2 × 2 there, padded after the end: output voxel
    /// `o` meets upsampled voxels `o` and `o + 1`.
    PlaneUp2,
}

/// What a maximum is taken over, without overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// 2³ voxels.
    Two,
    /// 2 × 2 voxels in the plane.
    PlaneTwo,
}

impl PoolKind {
    /// Voxels of a window along `[z, y, x]`.
    pub fn window(self) -> [usize; 3] {
        match self {
            Self::Two => [2; 3],
            Self::PlaneTwo => [1, 2, 2],
        }
    }

    /// Size of the output for an input of `size` `[z, y, x]`; windows at the end may be cut.
    pub fn out_size(self, size: [usize; 3]) -> [usize; 3] {
        let window = self.window();
        std::array::from_fn(|axis| size[axis].div_ceil(window[axis]))
    }
}

impl ConvKind {
    /// Taps along `[z, y, x]`.
    pub fn kernel_size(self) -> [usize; 3] {
        match self {
            Self::Pointwise => [1; 3],
            Self::Transposed2 => [2; 3],
            Self::PlaneTransposed2 | Self::PlaneUp2 => [1, 2, 2],
            Self::Plane3 => [1, 3, 3],
            Self::Same3 | Self::Down3 | Self::Down3TfSame | Self::Up3 => [3; 3],
        }
    }

    /// Weights of one input channel for one output channel.
    pub fn kernel_len(self) -> usize {
        self.kernel_size().iter().product()
    }

    /// Size of the output for an input of `size` `[z, y, x]`.
    pub fn out_size(self, size: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Pointwise | Self::Same3 | Self::Plane3 => size,
            Self::Down3 | Self::Down3TfSame => size.map(|n| n.div_ceil(2)),
            Self::Up3 | Self::Transposed2 => size.map(|n| 2 * n),
            Self::PlaneTransposed2 | Self::PlaneUp2 => [size[0], 2 * size[1], 2 * size[2]],
        }
    }
}
