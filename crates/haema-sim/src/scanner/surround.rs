//! What carries the head: a holder, and the table below it.

use haema_volume::Grid;
use rand::{Rng as _, RngCore};

use super::Protocol;
use crate::lesion::chance;

/// Skins of the table are carbon fibre, its core is foam.
const SKIN_MM: f64 = 1.4;
const CORE_MM: f64 = 32.0;
const SKIN_HU: f32 = 40.0;
const FOAM_HU: f32 = -950.0;
/// The table is a shallow trough of this radius.
const TABLE_RADIUS_MM: f64 = 420.0;

/// A head holder: a trough whose walls may go straight up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Holder {
    /// Radius of the trough.
    pub radius_mm: f64,
    /// How far below the middle of the field its lowest point lies.
    pub bottom_mm: f64,
    /// How far its walls go up from the middle of the trough's circle; negative where they end below it.
    pub rise_mm: f64,
}

impl Holder {
    /// * `lowest_mm` — how far below the middle of the field the head reaches.
    pub(super) fn draw(lowest_mm: f64, rng: &mut impl RngCore) -> Self {
        let radius_mm = rng.random_range(96.0..128.0);
        let is_upright = chance(0.4, rng);
        let rise_mm = if is_upright { rng.random_range(0.0..60.0) } else { -0.25 * radius_mm };
        Self { radius_mm, bottom_mm: lowest_mm + rng.random_range(2.0..14.0), rise_mm }
    }

    /// How far a place of the slice lies from the wall, along the slice; far where the wall has ended.
    fn distance_mm(&self, aside_mm: f64, down_mm: f64) -> f64 {
        let below_mm = down_mm - (self.bottom_mm - self.radius_mm);
        if below_mm < -self.rise_mm {
            return f64::INFINITY;
        }
        (aside_mm.hypot(below_mm.max(0.0)) - self.radius_mm).abs()
    }
}

/// Draws what carries the head, where the field of view reaches it.
pub(super) fn draw(protocol: &Protocol, grid: &Grid, z: usize, plane: &mut [f32]) {
    if protocol.holder.is_none() && protocol.table_mm.is_none() {
        return;
    }
    let [_, rows, columns] = grid.size();
    let [_, row_mm, column_mm] = grid.spacing_mm();
    let half_mm = 1.7 + 0.3 * (z as f64 * 0.2).sin();
    let holder_hu = |aside_mm: f64, down_mm: f64| {
        let from_mm = protocol.holder.map_or(f64::INFINITY, |it| it.distance_mm(aside_mm, down_mm));
        AIR + (1.0 - from_mm / half_mm).clamp(0.0, 0.5) as f32 * 2.0 * 1120.0
    };
    for y in 0..rows {
        let down_mm = (y as f64 + 0.5 - 0.5 * rows as f64) * row_mm;
        for x in 0..columns {
            let aside_mm = (x as f64 + 0.5 - 0.5 * columns as f64) * column_mm;
            let table = protocol.table_mm.map_or(AIR, |top_mm| {
                let rise_mm = aside_mm * aside_mm / (2.0 * TABLE_RADIUS_MM);
                table_hu(down_mm - top_mm + rise_mm, row_mm)
            });
            let voxel = &mut plane[y * columns + x];
            *voxel = voxel.max(holder_hu(aside_mm, down_mm)).max(table);
        }
    }
}

const AIR: f32 = -1000.0;

/// By how deep a pixel lies below the table's top.
fn table_hu(below_mm: f64, pixel_mm: f64) -> f32 {
    // A pixel is partly in a layer where its edge is.
    let share = |from_mm: f64, to_mm: f64| {
        let inside_mm = (below_mm - from_mm).min(to_mm - below_mm);
        (0.5 + inside_mm / pixel_mm).clamp(0.0, 1.0) as f32
    };
    let skins = share(0.0, SKIN_MM) + share(CORE_MM, CORE_MM + SKIN_MM);
    let core = share(SKIN_MM, CORE_MM);
    AIR + skins * (SKIN_HU - AIR) + core * (FOAM_HU - AIR)
}

#[cfg(test)]
mod tests {
    use haema_volume::Affine;

    use super::*;

    fn plane(field_mm: f64) -> (Grid, Vec<f32>) {
        let pixel_mm = field_mm / 200.0;
        let affine = Affine::from_steps(
            [pixel_mm, 0.0, 0.0],
            [0.0, pixel_mm, 0.0],
            [0.0, 0.0, 5.0],
            [0.0; 3],
        );
        (Grid::from_affine([1, 200, 200], &affine).unwrap(), vec![AIR; 200 * 200])
    }

    #[test]
    fn a_table_is_two_skins_around_foam_where_the_field_reaches_it() {
        let protocol = Protocol { table_mm: Some(110.0), ..Protocol::default() };
        let (grid, mut wide) = plane(320.0);
        draw(&protocol, &grid, 0, &mut wide);
        // Along the column in the middle: air, skin, foam, skin, air.
        let column: Vec<f32> = (100..200).map(|y| wide[y * 200 + 100]).collect();
        let at = |down_mm: f64| column[(down_mm / 1.6) as usize];
        assert!((at(100.0) - AIR).abs() < 0.5);
        assert!(at(110.9) > -400.0, "{}", at(110.9));
        assert!((at(125.0) - FOAM_HU).abs() < 1.0, "{}", at(125.0));
        assert!(column[(143.0 / 1.6) as usize - 1..].iter().any(|&hu| hu > -400.0));
        assert!((at(155.0) - AIR).abs() < 0.5);

        let protocol = Protocol { table_mm: Some(125.0), ..protocol };
        let (grid, mut narrow) = plane(200.0);
        draw(&protocol, &grid, 0, &mut narrow);
        assert!(narrow.iter().all(|hu| (hu - AIR).abs() < 0.5), "out of the field");
    }

    #[test]
    fn a_holder_is_a_trough_with_walls_as_high_as_asked_for() {
        let holder = Holder { radius_mm: 80.0, bottom_mm: 90.0, rise_mm: 30.0 };
        let protocol = Protocol { holder: Some(holder), ..Protocol::default() };
        let (grid, mut upright) = plane(200.0);
        draw(&protocol, &grid, 0, &mut upright);
        let dense = |plane: &[f32], aside_mm: i32, down_mm: i32| {
            plane[((100 + down_mm) * 200 + 100 + aside_mm) as usize] > -200.0
        };

        // Its circle has its middle 10 mm below that of the field.
        for [aside_mm, down_mm] in [[0, 90], [-80, 10], [80, 10], [-80, -15], [48, 74]] {
            assert!(dense(&upright, aside_mm, down_mm), "{aside_mm}, {down_mm}");
        }
        assert!(!dense(&upright, 80, -22) && !dense(&upright, 0, -70), "walls end");
        let shallow = Holder { rise_mm: -40.0, ..holder };
        let protocol = Protocol { holder: Some(shallow), ..protocol };
        let (_, mut low) = plane(200.0);
        draw(&protocol, &grid, 0, &mut low);
        assert!(dense(&low, 0, 90) && dense(&low, 48, 74) && !dense(&low, 80, 10));
    }
}
