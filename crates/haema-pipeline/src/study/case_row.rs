//! The master table: one row for each case and pair of masks.

use haema_eval::{
    EmptyMasks, LesionCounts, LesionMatching, Overlap, OverlapError, SurfaceDistances, SurfaceKind,
};
use haema_measure::volume_ml;
use haema_volume::{Grid, Volume};

use super::table::{Table, cell};

/// How one mask of a case agrees with another.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRow {
    /// The case.
    pub case: String,
    /// Whose scan it is; scans of one patient are no independent cases.
    pub patient: String,
    /// What it is compared with: a rater, or the name of the fused reference. The first of a pair.
    pub reference: String,
    /// Who drew the mask: a rater or a method. The second of a pair.
    pub method: String,
    /// Voxels by agreement.
    pub overlap: Overlap,
    /// Volume of the reference.
    pub reference_ml: f64,
    /// Volume of the mask.
    pub found_ml: f64,
    /// 95th percentile of the Hausdorff distance; `None` where a mask is empty.
    pub hd95_mm: Option<f64>,
    /// Average symmetric surface distance; `None` where a mask is empty.
    pub assd_mm: Option<f64>,
    /// Surface Dice at 0.42, 1 and 2 mm; `None` where both masks are empty.
    pub surface_dice: [Option<f64>; 3],
    /// F1 over bleeds; `None` where there is none on either side.
    pub lesion_f1: Option<f64>,
    /// Seconds from the scan to the mask; `None` where it was not timed.
    pub seconds: Option<f64>,
}

/// Tolerances of the surface Dice: that of the INSTANCE challenge and ours.
pub const TOLERANCES_MM: [f64; 3] = [0.42, 1.0, 2.0];

/// A mask and who drew it.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// A rater, a method, or the name of the fused reference.
    pub by: &'a str,
    /// Voxels that are not 0 are bleed.
    pub mask: &'a Volume<u8>,
}

impl CaseRow {
    /// Compares two masks of a case.
    ///
    /// # Errors
    ///
    /// [`OverlapError::SizesDiffer`] where they, or the grid, are of different sizes.
    pub fn compare(
        case: &str,
        patient: &str,
        reference: Drawn<'_>,
        method: Drawn<'_>,
        grid: &Grid,
    ) -> Result<Self, OverlapError> {
        let surfaces =
            SurfaceDistances::between(reference.mask, method.mask, grid, SurfaceKind::Patches)?;
        let matching = LesionMatching::default();
        let lesions = LesionCounts::count(reference.mask, method.mask, grid, matching)?;
        let overlap = Overlap::count(reference.mask, method.mask)?;
        // On this grid the surfaces have been measured, so that it has a volume for every voxel.
        let ml = |mask: &Volume<u8>| volume_ml(mask, grid).unwrap_or(f64::NAN);
        Ok(Self {
            case: case.to_owned(),
            patient: patient.to_owned(),
            reference: reference.by.to_owned(),
            method: method.by.to_owned(),
            overlap,
            reference_ml: ml(reference.mask),
            found_ml: ml(method.mask),
            hd95_mm: surfaces.hausdorff_mm(95.0),
            assd_mm: surfaces.average_symmetric_mm(),
            surface_dice: TOLERANCES_MM.map(|mm| surfaces.surface_dice(mm)),
            lesion_f1: lesions.f1(),
            seconds: None,
        })
    }

    /// κ; 1 where both masks are empty, or both full.
    pub fn kappa(&self) -> f64 {
        EmptyMasks::Instance.kappa(self.overlap)
    }

    /// Precision; 0 where a bleed was missed altogether, `None` where there was none to find.
    pub fn precision(&self) -> Option<f64> {
        EmptyMasks::MetricsReloaded { worst_mm: f64::INFINITY }.precision(self.overlap)
    }

    /// The master table.
    pub fn table(rows: &[Self]) -> Table {
        let columns = "case,patient,reference,method,tp,fp,fn,tn,dice,precision,recall,kappa,\
                       reference_ml,found_ml,hd95_mm,assd_mm,nsd_042,nsd_1,nsd_2,lesion_f1,seconds";
        let mut table = Table::new("Master table", columns.split(','));
        for row in rows {
            let Overlap { true_positive, false_positive, false_negative, true_negative } =
                row.overlap;
            let counts = [true_positive, false_positive, false_negative, true_negative];
            let figures = [
                row.overlap.dice(),
                row.precision(),
                row.overlap.recall(),
                Some(row.kappa()),
                Some(row.reference_ml),
                Some(row.found_ml),
                row.hd95_mm,
                row.assd_mm,
                row.surface_dice[0],
                row.surface_dice[1],
                row.surface_dice[2],
                row.lesion_f1,
                row.seconds,
            ];
            let names = [&row.case, &row.patient, &row.reference, &row.method];
            let names = names.into_iter().cloned();
            let cells = names.chain(counts.map(|count| count.to_string()));
            table.push(cells.chain(figures.map(|figure| cell(figure, 6))));
        }
        table
    }
}
