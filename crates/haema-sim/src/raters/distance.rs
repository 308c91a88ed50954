//! Distances in the plane of a slice.

/// How far each pixel's centre lies beyond the border of a mask, mm; negative within. The border runs
/// half-way between the centres on its sides; infinite where the mask is empty.
pub(super) fn beyond_border_mm(mask: &[u8], columns: usize, [y_mm, x_mm]: [f64; 2]) -> Vec<f64> {
    let half_mm = 0.25 * (y_mm + x_mm);
    let to_mask = distances_mm(mask, columns, [y_mm, x_mm], |&voxel| voxel != 0);
    let to_rest = distances_mm(mask, columns, [y_mm, x_mm], |&voxel| voxel == 0);
    let beyond = |(to_mask, to_rest): (f64, f64)| {
        if to_mask > 0.0 { to_mask - half_mm } else { half_mm - to_rest }
    };
    to_mask.into_iter().zip(to_rest).map(beyond).collect()
}

/// Distance from each pixel to the nearest of a kind, mm.
///
/// # Source
///
/// P. Felzenszwalb, D. Huttenlocher, "Distance transforms of sampled functions", _Theory of Computing_
/// 8:415–428, 2012.
fn distances_mm(
    mask: &[u8],
    columns: usize,
    [y_mm, x_mm]: [f64; 2],
    is_wanted: impl Fn(&u8) -> bool,
) -> Vec<f64> {
    let mut squares: Vec<f64> =
        mask.iter().map(|voxel| if is_wanted(voxel) { 0.0 } else { f64::INFINITY }).collect();
    let rows = mask.len() / columns.max(1);
    let mut hull = Vec::new();
    let mut line = vec![0.0; rows];
    for x in 0..columns {
        for (y, value) in line.iter_mut().enumerate() {
            *value = squares[y * columns + x];
        }
        lower_envelope(&mut line, y_mm, &mut hull);
        for (y, value) in line.iter().enumerate() {
            squares[y * columns + x] = *value;
        }
    }
    for row in squares.chunks_exact_mut(columns.max(1)) {
        lower_envelope(row, x_mm, &mut hull);
    }
    squares.into_iter().map(f64::sqrt).collect()
}

/// A parabola of the envelope: where its bottom is, how high, and from where on it is the lowest.
struct Parabola {
    bottom_mm: f64,
    height: f64,
    from_mm: f64,
}

/// Replaces each value by the lowest of the parabolas that stand on all values.
fn lower_envelope(line: &mut [f64], step_mm: f64, hull: &mut Vec<Parabola>) {
    hull.clear();
    for (i, &height) in line.iter().enumerate().filter(|(_, height)| height.is_finite()) {
        let bottom_mm = i as f64 * step_mm;
        let mut from_mm = f64::NEG_INFINITY;
        while let Some(last) = hull.last() {
            let rise = height + bottom_mm * bottom_mm - last.height - last.bottom_mm.powi(2);
            from_mm = rise / (2.0 * (bottom_mm - last.bottom_mm));
            if from_mm > last.from_mm {
                break;
            }
            hull.pop();
            from_mm = f64::NEG_INFINITY;
        }
        hull.push(Parabola { bottom_mm, height, from_mm });
    }
    let mut at = 0;
    if hull.is_empty() {
        return;
    }
    for (i, value) in line.iter_mut().enumerate() {
        let place_mm = i as f64 * step_mm;
        while hull.get(at + 1).is_some_and(|next| next.from_mm <= place_mm) {
            at += 1;
        }
        *value = hull[at].height + (place_mm - hull[at].bottom_mm).powi(2);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn distances_are_those_of_the_nearest_pixel(
            pixels in proptest::collection::vec(0..3_u8, 56),
            steps in [0.3..2.0_f64, 0.3..2.0],
        ) {
            let mask: Vec<u8> = pixels.iter().map(|&p| u8::from(p == 0)).collect();

            let found = distances_mm(&mask, 8, steps, |&voxel| voxel != 0);

            for (i, found) in found.iter().enumerate() {
                let away = |j: usize| {
                    let dy = (i / 8) as f64 - (j / 8) as f64;
                    let dx = (i % 8) as f64 - (j % 8) as f64;
                    (dy * steps[0]).hypot(dx * steps[1])
                };
                let nearest = (0..56).filter(|&j| mask[j] == 1).map(away).fold(f64::INFINITY, f64::min);
                prop_assert!((found - nearest).abs() < 1e-9 || *found == nearest, "{found} {nearest}");
            }
        }
    }

    #[test]
    fn the_border_runs_between_the_pixels() {
        let beyond = beyond_border_mm(&[0, 0, 1, 1, 0], 5, [1.0, 1.0]);

        assert_eq!(beyond, [1.5, 0.5, -0.5, -0.5, 0.5]);
        assert!(beyond_border_mm(&[0; 4], 2, [1.0, 1.0]).iter().all(|mm| mm.is_infinite()));
    }
}
