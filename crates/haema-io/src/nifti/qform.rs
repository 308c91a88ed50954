//! The second geometry of a NIfTI file: a rotation and a voxel size.

use haema_volume::{Affine, Vec3, cross, dot, norm, scale, sub};

/// An affine as _qform_ stores it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Qform {
    /// `NIFTI_XFORM_SCANNER_ANAT` (1) where it says the same as the affine, and
    /// `NIFTI_XFORM_ALIGNED_ANAT` (2) where it is only near.
    pub(super) code: i16,
    /// Three parts of a unit quaternion; the fourth is not negative and follows from them.
    pub(super) quaternion_bcd: [f64; 3],
    /// −1 where the third axis is mirrored, else 1.
    pub(super) handedness: f64,
    /// Voxel size along `[x, y, z]`. The product is the volume of a voxel.
    pub(super) spacing_mm: [f64; 3],
}

/// How far from a right angle two axes may be to pass as a rotation: cosine of the angle. Affines
/// are stored as `f32`, whose rounding is a hundred times smaller; a tilt of 0.01° is over it.
const MOST_SHEAR: f64 = 1e-4;

impl Qform {
    /// The geometry of an affine, without its shear.
    ///
    /// A rotation cannot be sheared, and gantry tilt is a shear. Then the slices are put at right
    /// angles to each other, at their true distance: rows, columns, the first voxel and all volumes
    /// stay right, and higher slices slide. That is for programs that read nothing else; ITK, for
    /// one, refuses a file whose only geometry is sheared (5.4).
    pub(super) fn nearest(affine: &Affine) -> Self {
        let steps = [0, 1, 2].map(|axis| affine.column(axis));
        let [x, y, z] = steps.map(unit);
        let is_sheared = [dot(x, y), dot(x, z), dot(y, z)].iter().any(|c| c.abs() > MOST_SHEAR);
        let square_y = unit(sub(y, scale(x, dot(x, y))));
        let normal = cross(x, square_y);
        let [x_mm, y_mm] = [norm(steps[0]), dot(steps[1], square_y)];
        let z_mm = dot(steps[2], normal);
        Self {
            code: if is_sheared { 2 } else { 1 },
            quaternion_bcd: quaternion_bcd([x, square_y, normal]),
            handedness: z_mm.signum(),
            spacing_mm: [x_mm, y_mm, z_mm.abs()],
        }
    }
}

fn unit(v: Vec3) -> Vec3 {
    scale(v, 1.0 / norm(v))
}

/// The quaternion of a rotation, given by its columns.
///
/// # Source
///
/// S. W. Shepperd, _J. Guidance and Control_ 1978, 1(3):223: the largest part first, so that
/// nothing is divided by a small number.
fn quaternion_bcd(columns: [Vec3; 3]) -> [f64; 3] {
    let r = |row: usize, column: usize| columns[column][row];
    let squares = [
        1.0 + r(0, 0) + r(1, 1) + r(2, 2),
        1.0 + r(0, 0) - r(1, 1) - r(2, 2),
        1.0 - r(0, 0) + r(1, 1) - r(2, 2),
        1.0 - r(0, 0) - r(1, 1) + r(2, 2),
    ];
    let largest = (1..4).fold(0, |best, i| if squares[i] > squares[best] { i } else { best });
    let [a, b, c, d] = match largest {
        0 => [squares[0], r(2, 1) - r(1, 2), r(0, 2) - r(2, 0), r(1, 0) - r(0, 1)],
        1 => [r(2, 1) - r(1, 2), squares[1], r(0, 1) + r(1, 0), r(0, 2) + r(2, 0)],
        2 => [r(0, 2) - r(2, 0), r(0, 1) + r(1, 0), squares[2], r(1, 2) + r(2, 1)],
        _ => [r(1, 0) - r(0, 1), r(0, 2) + r(2, 0), r(1, 2) + r(2, 1), squares[3]],
    };
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    let factor = sign / (2.0 * squares[largest].sqrt());
    [b * factor, c * factor, d * factor]
}
