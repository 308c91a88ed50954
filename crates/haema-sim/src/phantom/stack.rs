//! How a phantom is scanned: pixels, slices, tilt.

use haema_volume::{Grid, GridError, Vec3, scale};

/// How the slices of a scan follow one another. Slices are as thick as said and touch each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slicing {
    /// All of one thickness.
    Even {
        /// The thickness.
        slice_mm: f64,
    },
    /// Thin ones below the middle, thicker ones above it, as over the skull base.
    Uneven {
        /// Thickness below.
        below_mm: f64,
        /// Thickness above.
        above_mm: f64,
    },
}

/// A way to scan: axial slices in a gantry that may be tilted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// Rows and columns.
    pub slice_size: [usize; 2],
    /// Side of a pixel.
    pub pixel_mm: f64,
    /// The slices.
    pub slicing: Slicing,
    /// What the slices cover along their normal, at least, mm.
    pub cover_mm: f64,
    /// How far the gantry leans: the rows of a slice rise towards the back where it is positive.
    pub tilt_deg: f64,
}

/// The slices of a scan: where they lie, and how thick each is.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Where the voxels lie: `x` to the left, `y` to the back, `z` to the top, as DICOM has it.
    pub grid: Grid,
    /// Thickness of each slice, along the normal: what the scanner sees at once.
    pub thickness_mm: Vec<f64>,
}

impl Protocol {
    /// The slices, the middle of the stack on the origin.
    ///
    /// A gantry leans and the table does not: slices are shifted along the body, so the stack is
    /// sheared against its normal.
    ///
    /// # Errors
    ///
    /// [`GridError`] where there are no pixels, or thickness or pixels are not above 0.
    pub fn stack(&self) -> Result<Stack, GridError> {
        let (sin, cos) = self.tilt_deg.to_radians().sin_cos();
        let [rows, columns] = self.slice_size;
        let x_step = [self.pixel_mm, 0.0, 0.0];
        let y_step = [0.0, self.pixel_mm * cos, self.pixel_mm * sin];
        // Half a pixel less than the middle, so that the field is centred.
        let corner = |count: usize| 0.5 * (1.0 - count as f64);
        let along_rows = scale(x_step, corner(columns));
        let along_columns = scale(y_step, corner(rows));
        let origin = |normal_mm: f64| -> Vec3 {
            let table_mm = [0.0, 0.0, normal_mm / cos];
            std::array::from_fn(|i| along_rows[i] + along_columns[i] + table_mm[i])
        };
        let (positions_mm, thickness_mm) = self.slices();
        let origins = positions_mm.into_iter().map(origin).collect();
        let lone_mm = thickness_mm.first().copied().unwrap_or(0.0);
        let grid = Grid::from_slices(self.slice_size, x_step, y_step, origins, lone_mm)?;
        Ok(Stack { grid, thickness_mm })
    }

    /// Positions along the normal, and thicknesses.
    fn slices(&self) -> (Vec<f64>, Vec<f64>) {
        let (below_mm, above_mm) = match self.slicing {
            Slicing::Even { slice_mm } => (slice_mm, slice_mm),
            Slicing::Uneven { below_mm, above_mm } => (below_mm, above_mm),
        };
        // Readers of head CT want ten slices at least.
        let count = |slice_mm: f64| ((0.5 * self.cover_mm / slice_mm).ceil() as usize).max(5);
        let below = (0..count(below_mm)).rev().map(|i| -below_mm * (i as f64 + 0.5));
        let above = (0..count(above_mm)).map(|i| above_mm * (i as f64 + 0.5));
        let thickness_mm =
            [vec![below_mm; count(below_mm)], vec![above_mm; count(above_mm)]].concat();
        (below.chain(above).collect(), thickness_mm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(slicing: Slicing, tilt_deg: f64) -> Protocol {
        Protocol { slice_size: [6, 8], pixel_mm: 0.5, slicing, cover_mm: 30.0, tilt_deg }
    }

    #[test]
    fn slices_touch_and_the_middle_of_the_stack_is_the_origin() {
        let slicing = Slicing::Uneven { below_mm: 2.5, above_mm: 5.0 };

        let stack = protocol(slicing, 0.0).stack().unwrap();

        assert_eq!(stack.thickness_mm, [[2.5; 6].as_slice(), &[5.0; 5]].concat());
        let positions_mm: Vec<f64> = (0..11).map(|z| stack.grid.slice_position_mm(z)).collect();
        assert_eq!(&positions_mm[4..8], [-3.75, -1.25, 2.5, 7.5]);
        assert_eq!(stack.grid.point_lps_mm(0, 2.5, 3.5), [0.0, 0.0, -13.75]);
    }

    #[test]
    fn a_tilted_gantry_shears_the_stack_and_keeps_its_pitch() {
        for tilt_deg in [-20.0, 12.5, 30.0] {
            let stack = protocol(Slicing::Even { slice_mm: 2.0 }, tilt_deg).stack().unwrap();

            assert!((stack.grid.tilt_deg().abs() - tilt_deg.abs()).abs() < 1e-9);
            assert!(stack.grid.gaps_mm().iter().all(|gap_mm| (gap_mm - 2.0).abs() < 1e-9));
        }
    }
}
