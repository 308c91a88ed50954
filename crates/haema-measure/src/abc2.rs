//! The bedside estimate of a bleed's volume from three diameters.

mod outline;

use haema_volume::{Components, Connectivity, Grid, Volume, cross, norm, occupied_rows};
use serde::{Deserialize, Serialize};

use crate::{MM3_PER_ML, MeasureError, check_size};
use outline::Outline;

/// What counts as B, the diameter across A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Abc2Width {
    /// The longest way through the bleed at right angles to A.
    #[default]
    LongestChord,
    /// The whole width at right angles to A, though no straight way through the bleed may be so long.
    Projection,
    /// The way through the bleed at right angles to A, through A's middle.
    Midpoint,
}

/// ABC/2 and its relatives, of one part of a bleed or of all parts together.
///
/// A is the greatest diameter in the slice with the largest area, B the diameter across it, C the height.
/// **The weighted form is a third too small for smooth bodies in thin slices**: an ellipsoid's outer slices
/// count half or nothing. For irregular bleeds the others are too large, often by half.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Abc2Volumes {
    /// A·B·C/2 with all slices: _simplified ABC/2_. The default for slices up to 5 mm.
    pub simple_ml: f64,
    /// A·B·C/2 with slices weighted by area, as Kothari had it: _modified ABC/2_.
    pub weighted_ml: f64,
    /// π/6·A·B·C, Tada's formula: exact for an ellipsoid.
    pub tada_ml: f64,
    /// A·B·C/3, for irregular bleeds under anticoagulants.
    pub abc3_ml: f64,
    /// 2/3·S·C with S the largest area: for irregular and infratentorial bleeds.
    pub two_thirds_sh_ml: f64,
    /// X·Y·Z/2 from the extents along the scan's axes, as done for subdural bleeds.
    pub xyz2_ml: f64,
    /// Sum over slices of area times thickness, to compare with.
    pub planimetry_ml: f64,
}

/// One connected part of a bleed as it is measured at the bedside.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Abc2 {
    /// The greatest diameter, mm.
    pub a_mm: f64,
    /// The diameter across it, mm.
    pub b_mm: f64,
    /// The height: thickness of all slices that show the part, mm.
    pub c_mm: f64,
    /// The height with slices below 25 % of the largest area left out and those up to 75 % halved, mm.
    pub c_weighted_mm: f64,
    /// The slice with the largest area, zero-based, as the scan is stored.
    pub slice: usize,
    /// Area of the largest piece in that slice as a share of its convex hull's. Below 0.85 the bleed is
    /// irregular and A·B·C/2 likely too large.
    pub solidity: f64,
    /// The estimates.
    pub volumes: Abc2Volumes,
}

/// Below this share of its convex hull a slice is irregular.
const SMOOTH: f64 = 0.85;

impl Abc2 {
    /// Whether the outline is so irregular that the estimate is likely too large.
    pub fn is_irregular(&self) -> bool {
        self.solidity < SMOOTH
    }
}

/// Parts below this volume are not measured: nobody puts a ruler to them.
pub const ABC2_LEAST_ML: f64 = 0.1;

/// Measures each connected part of a mask, in order of descending volume. Every voxel that is not 0 counts;
/// parts that touch at a corner are one; those below [`ABC2_LEAST_ML`] are left out.
///
/// ABC/2 is for bleeds in the brain's tissue. Leave blood in ventricles and around the brain out of the mask
/// before.
///
/// # Errors
///
/// [`MeasureError::SizesDiffer`] where the mask is not on the grid.
///
/// # Source
///
/// R. U. Kothari et al., _Stroke_ 27:1304–1305, 1996; T. Yang et al. (2/3·S·H), _Journal of Neurosurgery_
/// 2013; H. B. Huttner et al. (ABC/3), _Stroke_ 37:404–408, 2006. Diameters are between the corners of
/// pixels.
///
/// # Examples
///
/// ```
/// use haema_measure::{Abc2Width, abc2};
/// use haema_volume::{Affine, Grid, Volume};
///
/// let affine = Affine::from_steps([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0], [0.0; 3]);
/// let grid = Grid::from_affine([4, 50, 50], &affine)?;
/// // A block of 30 × 40 × 10 mm: the greatest diameter of its slices is the diagonal.
/// let block = Volume::from_fn([4, 50, 50], |[z, y, x]| u8::from((1..3).contains(&z) && y < 30 && x < 40));
///
/// let found = abc2(&block, &grid, Abc2Width::LongestChord)?;
///
/// assert_eq!((found[0].a_mm, found[0].c_mm), (50.0, 10.0));
/// assert!((found[0].volumes.planimetry_ml - 12.0).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn abc2(mask: &Volume<u8>, grid: &Grid, width: Abc2Width) -> Result<Vec<Abc2>, MeasureError> {
    check_size(mask.size(), grid)?;
    let parts = Components::of(mask, Connectivity::Corners);
    let mut found: Vec<Abc2> = (1..=parts.voxel_counts().len() as u32)
        .filter_map(|label| measure(&parts, label, grid, width))
        .filter(|part| part.volumes.planimetry_ml >= ABC2_LEAST_ML)
        .collect();
    found.sort_by(|a, b| b.volumes.planimetry_ml.total_cmp(&a.volumes.planimetry_ml));
    Ok(found)
}

/// The estimates of all parts together: each formula's sum.
pub fn abc2_total(parts: &[Abc2]) -> Abc2Volumes {
    parts.iter().map(|part| part.volumes).fold(Abc2Volumes::default(), |sum, part| Abc2Volumes {
        simple_ml: sum.simple_ml + part.simple_ml,
        weighted_ml: sum.weighted_ml + part.weighted_ml,
        tada_ml: sum.tada_ml + part.tada_ml,
        abc3_ml: sum.abc3_ml + part.abc3_ml,
        two_thirds_sh_ml: sum.two_thirds_sh_ml + part.two_thirds_sh_ml,
        xyz2_ml: sum.xyz2_ml + part.xyz2_ml,
        planimetry_ml: sum.planimetry_ml + part.planimetry_ml,
    })
}

/// What one part occupies, slice by slice.
struct Extent {
    /// Voxels in each slice.
    counts: Vec<u64>,
    rows: [usize; 2],
    columns: [usize; 2],
}

impl Extent {
    fn of(parts: &Components, label: u32) -> Self {
        let depth = parts.labels().size()[0];
        let mut found =
            Self { counts: vec![0; depth], rows: [usize::MAX, 0], columns: [usize::MAX, 0] };
        for ([z, y], row) in occupied_rows(parts.labels()) {
            for (x, _) in row.iter().enumerate().filter(|(_, found)| **found == label) {
                found.counts[z] += 1;
                found.rows = [found.rows[0].min(y), found.rows[1].max(y + 1)];
                found.columns = [found.columns[0].min(x), found.columns[1].max(x + 1)];
            }
        }
        found
    }

    /// The slice with most voxels; of equals the one nearest to the middle of mass, then the lower.
    fn largest(&self) -> usize {
        let all: u64 = self.counts.iter().sum();
        let moment: f64 = self.counts.iter().enumerate().map(|(z, &n)| z as f64 * n as f64).sum();
        let middle = moment / all as f64;
        let most = self.counts.iter().max();
        let away = |z: &usize| (*z as f64 - middle).abs();
        (0..self.counts.len())
            .filter(|&z| Some(&self.counts[z]) == most)
            .min_by(|a, b| away(a).total_cmp(&away(b)))
            .unwrap_or(0)
    }
}

fn measure(parts: &Components, label: u32, grid: &Grid, width: Abc2Width) -> Option<Abc2> {
    let extent = Extent::of(parts, label);
    let slice = extent.largest();
    let [_, rows, columns] = parts.labels().size();
    let plane: Vec<u8> =
        parts.labels().plane(slice).iter().map(|&found| u8::from(found == label)).collect();
    let plane = Volume::new([1, rows, columns], plane).ok()?;
    let outline = Outline::of(&plane, grid)?;
    let (a_mm, b_mm) = (outline.length_mm(), outline.width_mm(width));

    let most = extent.counts[slice] as f64;
    let height = |weight: fn(f64) -> f64| -> f64 {
        let slices = extent.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        slices.map(|(z, &n)| weight(n as f64 / most) * grid.slice_thickness_mm(z)).sum()
    };
    let (c_mm, c_weighted_mm) = (height(|_| 1.0), height(kothari_weight));
    let pixel_mm2 = norm(cross(grid.x_step_lps_mm(), grid.y_step_lps_mm()));
    let planimetry_mm3: f64 =
        extent.counts.iter().enumerate().map(|(z, &n)| n as f64 * grid.voxel_volume_mm3(z)).sum();
    let along = |[from, to]: [usize; 2], step: [f64; 3]| (to - from) as f64 * norm(step);
    let (x_mm, y_mm) =
        (along(extent.columns, grid.x_step_lps_mm()), along(extent.rows, grid.y_step_lps_mm()));
    let box_mm3 = a_mm * b_mm * c_mm;
    let volumes = Abc2Volumes {
        simple_ml: box_mm3 / 2.0 / MM3_PER_ML,
        weighted_ml: a_mm * b_mm * c_weighted_mm / 2.0 / MM3_PER_ML,
        tada_ml: std::f64::consts::FRAC_PI_6 * box_mm3 / MM3_PER_ML,
        abc3_ml: box_mm3 / 3.0 / MM3_PER_ML,
        two_thirds_sh_ml: 2.0 / 3.0 * most * pixel_mm2 * c_mm / MM3_PER_ML,
        xyz2_ml: x_mm * y_mm * c_mm / 2.0 / MM3_PER_ML,
        planimetry_ml: planimetry_mm3 / MM3_PER_ML,
    };
    let solidity = outline.solidity();
    Some(Abc2 { a_mm, b_mm, c_mm, c_weighted_mm, slice, solidity, volumes })
}

/// What a slice counts by its area as a share of the largest.
///
/// # Source
///
/// Kothari et al. 1996: above 75 % one, 25 to 75 % a half, below 25 % nothing.
fn kothari_weight(share: f64) -> f64 {
    match share {
        _ if share > 0.75 => 1.0,
        _ if share >= 0.25 => 0.5,
        _ => 0.0,
    }
}
