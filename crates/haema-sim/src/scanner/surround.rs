//! What carries the head: a holder, and the table below it.

use haema_volume::Grid;

use super::Protocol;

/// Skins of the table are carbon fibre, its core is foam.
const SKIN_MM: f64 = 1.4;
const CORE_MM: f64 = 32.0;
const SKIN_HU: f32 = 40.0;
const FOAM_HU: f32 = -950.0;
/// The table is a shallow trough of this radius.
const TABLE_RADIUS_MM: f64 = 420.0;

/// Draws what carries the head, where the field of view reaches it.
pub(super) fn draw(protocol: &Protocol, grid: &Grid, z: usize, plane: &mut [f32]) {
    let [_, rows, columns] = grid.size();
    let [_, _, pixel_mm] = grid.spacing_mm();
    let wall_mm = 1.7 + 0.3 * (z as f64 * 0.2).sin();
    for y in rows / 2..rows {
        let down_mm = (y as f64 + 0.5 - 0.5 * rows as f64) * pixel_mm;
        for x in 0..columns {
            let aside_mm = (x as f64 + 0.5 - 0.5 * columns as f64) * pixel_mm;
            let holder = protocol.holder_mm.map_or(AIR, |radius_mm| {
                // A trough, a little wider than deep, below the middle of the head.
                let from_mm = (0.97 * aside_mm).hypot(down_mm - 4.0);
                let within = 1.0 - (from_mm - radius_mm).abs() / wall_mm;
                if within > 0.0 && down_mm > 0.25 * radius_mm {
                    AIR + within.min(0.5) as f32 * 2.0 * 1120.0
                } else {
                    AIR
                }
            });
            let table = protocol.table_mm.map_or(AIR, |top_mm| {
                let rise_mm = aside_mm * aside_mm / (2.0 * TABLE_RADIUS_MM);
                table_hu(down_mm - top_mm + rise_mm, pixel_mm)
            });
            let voxel = &mut plane[y * columns + x];
            *voxel = voxel.max(holder).max(table);
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
}
