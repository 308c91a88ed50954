//! Vectors and affine maps in patient space.

/// Three components in millimetres, or a direction; the frame is in the name of the variable.
pub type Vec3 = [f64; 3];

/// `a + b`.
pub fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a − b`.
pub fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a · factor`.
pub fn scale(a: Vec3, factor: f64) -> Vec3 {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

/// Scalar product.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Euclidean length.
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

/// An affine map from a voxel index to a point, as DICOM and NIfTI write it: it acts on the column
/// vector `(x, y, z, 1)`, so column 0 is the step from one voxel to the next along `x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The three rows of the matrix; the last column is the position of voxel 0.
    pub rows: [[f64; 4]; 3],
}

impl Affine {
    /// Builds the map from its three steps and the position of voxel 0.
    pub fn from_steps(x_step: Vec3, y_step: Vec3, z_step: Vec3, origin: Vec3) -> Self {
        Self { rows: std::array::from_fn(|i| [x_step[i], y_step[i], z_step[i], origin[i]]) }
    }

    /// Column `i`: the step along `x`, `y`, `z` for 0, 1, 2, and the origin for 3.
    ///
    /// # Panics
    ///
    /// Where `i > 3`.
    pub fn column(&self, i: usize) -> Vec3 {
        [self.rows[0][i], self.rows[1][i], self.rows[2][i]]
    }

    /// The point at a voxel index `[z, y, x]`, which may be fractional.
    pub fn point_at(&self, [z, y, x]: [f64; 3]) -> Vec3 {
        self.rows.map(|row| row[0] * x + row[1] * y + row[2] * z + row[3])
    }

    /// Determinant of the linear part: the signed volume of one voxel.
    pub fn determinant(&self) -> f64 {
        dot(self.column(0), cross(self.column(1), self.column(2)))
    }

    /// The same map with the first two axes of its target negated: LPS to RAS, and back.
    #[must_use]
    pub fn with_lps_ras_swapped(&self) -> Self {
        let [x, y, z] = self.rows;
        Self { rows: [x.map(|v| -v), y.map(|v| -v), z] }
    }
}
