//! What must hold for any input.

use haema_volume::{
    AxisWeights, Components, Connectivity, Interpolation, Volume, Window, bounding_box,
    close_in_plane, crop, fill_holes_in_plane, occupied_rows, open_in_plane, resize,
};
use proptest::prelude::*;

fn masks() -> impl Strategy<Value = Volume<u8>> {
    [1..6_usize, 1..8_usize, 1..10_usize].prop_flat_map(|size| {
        let count = size.iter().product::<usize>();
        proptest::collection::vec(0..2_u8, count)
            .prop_map(move |voxels| Volume::new(size, voxels).unwrap())
    })
}

fn axes() -> impl Strategy<Value = AxisWeights> {
    (1..40_usize, 1..40_usize, -3.0..3.0_f64, 0.3..1.5_f64, 0..3_u8).prop_map(
        |(input, output, start, share, kind)| {
            let window = Window { start, len: share * input as f64 };
            match kind {
                0 => AxisWeights::linear(input, window, output),
                1 => AxisWeights::nearest(input, window, output),
                _ => AxisWeights::mean(input, window, output),
            }
        },
    )
}

proptest! {
    #[test]
    fn weights_are_an_average(axis in axes()) {
        for o in 0..axis.output_len() {
            let (first, weights) = axis.taps(o);
            prop_assert!(!weights.is_empty() && first + weights.len() <= axis.input_len());
            prop_assert!(weights.iter().all(|&weight| weight >= 0.0));
            prop_assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn linear_keeps_a_ramp_between_the_ends(
        input in 2..50_usize, output in 1..50_usize, start in 0.0..3.0_f64, share in 0.2..0.9_f64,
    ) {
        let window = Window { start, len: share * input as f64 };
        let axis = AxisWeights::linear(input, window, output);
        let ramp: Vec<f32> = (0..input).map(|i| i as f32).collect();
        let mut resampled = vec![0.0; output];

        axis.apply_within_row(&ramp, 0, &mut resampled);

        for (o, &found) in resampled.iter().enumerate() {
            let u = start + (o as f64 + 0.5) * window.len / output as f64 - 0.5;
            let wanted = u.clamp(0.0, (input - 1) as f64);
            prop_assert!((f64::from(found) - wanted).abs() < 1e-4, "{found}, wanted {wanted}");
        }
    }

    #[test]
    fn the_inverse_window_leads_back(
        start in -5.0..5.0_f64, len in 1.0..50.0_f64, input in 1..50_usize, output in 1..50_usize,
    ) {
        let window = Window { start, len };

        let back = window.inverse(input, output).inverse(output, input);

        prop_assert!((back.start - start).abs() < 1e-9 && (back.len - len).abs() < 1e-9);
    }

    #[test]
    fn means_keep_the_sum(mask in masks(), by in [1..4_usize, 1..4_usize, 1..4_usize]) {
        let volume = mask.map(|&voxel| f32::from(voxel));
        let size = std::array::from_fn(|i| mask.size()[i].div_ceil(by[i]));

        let resized = resize(&volume, size, Interpolation::Mean);

        let mean = |v: &Volume<f32>| v.as_slice().iter().sum::<f32>() / v.as_slice().len() as f32;
        prop_assert!((mean(&resized) - mean(&volume)).abs() < 1e-5);
    }

    #[test]
    fn uneven_samples_agree_with_even_ones(len in 2..20_usize, output in 1..30_usize) {
        let positions: Vec<f64> = (0..len).map(|i| i as f64 + 0.5).collect();
        let edges: Vec<f64> = (0..=len).map(|i| i as f64).collect();
        let step = len as f64 / output as f64;
        let at: Vec<f64> = (0..output).map(|o| (o as f64 + 0.5) * step).collect();
        let slabs: Vec<[f64; 2]> =
            (0..output).map(|o| [o as f64 * step, (o + 1) as f64 * step]).collect();
        let unit: Vec<[f64; 2]> = edges.windows(2).map(|pair| [pair[0], pair[1]]).collect();
        let ramp: Vec<f32> = (0..len).map(|i| (i * i) as f32).collect();
        let pairs = [
            (AxisWeights::linear_between(&positions, &at), AxisWeights::linear as fn(_, _, _) -> _),
            (AxisWeights::nearest_between(&edges, &at), AxisWeights::nearest),
            (AxisWeights::overlap(&unit, &slabs), AxisWeights::mean),
        ];
        for (found, even) in pairs {
            let even: AxisWeights = even(len, Window::whole(len), output);
            let (mut a, mut b) = (vec![0.0; output], vec![0.0; output]);
            found.apply_within_row(&ramp, 0, &mut a);
            even.apply_within_row(&ramp, 0, &mut b);
            for (a, b) in a.into_iter().zip(b) {
                prop_assert!((a - b).abs() < 1e-3, "{a} {b}");
            }
        }
    }

    #[test]
    fn parts_are_counted_and_labelled_in_order(mask in masks(), which in 0..3_usize) {
        let connectivity =
            [Connectivity::Faces, Connectivity::Edges, Connectivity::Corners][which];

        let parts = Components::of(&mask, connectivity);

        let mut seen = 0;
        for &label in parts.labels().as_slice() {
            prop_assert!(label <= seen + 1);
            seen = seen.max(label);
        }
        for (index, &count) in parts.voxel_counts().iter().enumerate() {
            let part = parts.mask_of(index as u32 + 1);
            let voxels = part.as_slice().iter().map(|&voxel| u64::from(voxel)).sum::<u64>();
            prop_assert_eq!(voxels, count);
            prop_assert_eq!(Components::of(&part, connectivity).voxel_counts().len(), 1);
        }
        let foreground = mask.as_slice().iter().filter(|&&voxel| voxel != 0).count() as u64;
        prop_assert_eq!(parts.voxel_counts().iter().sum::<u64>(), foreground);
        prop_assert_eq!(parts.largest().is_none(), foreground == 0);
    }

    #[test]
    fn rows_that_are_passed_hold_nothing(mask in masks()) {
        let occupied: Vec<[usize; 2]> = occupied_rows(&mask).map(|(place, _)| place).collect();

        for (place, row) in occupied_rows(&mask) {
            let start = mask.offset([place[0], place[1], 0]);
            prop_assert_eq!(row, &mask.as_slice()[start..start + mask.size()[2]]);
        }
        let [depth, rows, columns] = mask.size();
        let every = (0..depth * rows).map(|row| [row / rows, row % rows]);
        let wanted: Vec<[usize; 2]> = every
            .filter(|&[z, y]| (0..columns).any(|x| mask[[z, y, x]] != 0))
            .collect();
        prop_assert_eq!(occupied, wanted);
    }

    #[test]
    fn the_box_holds_the_mask_and_no_less_would_do(mask in masks()) {
        let Some(region) = bounding_box(&mask) else {
            prop_assert!(mask.as_slice().iter().all(|&voxel| voxel == 0));
            return Ok(());
        };

        let inside = crop(&mask, &region);

        let sum = |v: &Volume<u8>| v.as_slice().iter().map(|&voxel| u64::from(voxel)).sum::<u64>();
        prop_assert_eq!(sum(&inside), sum(&mask));
        prop_assert_eq!(bounding_box(&inside), Some(inside.size().map(|len| 0..len)));
    }

    #[test]
    fn opening_removes_filling_adds_and_a_second_time_changes_nothing(
        mask in masks(), radius in 0..3_usize,
    ) {
        let opened = open_in_plane(&mask, radius);
        let filled = fill_holes_in_plane(&mask);

        for ((&before, &less), &more) in
            mask.as_slice().iter().zip(opened.as_slice()).zip(filled.as_slice())
        {
            prop_assert!(less <= before && before <= more);
        }
        let closed = close_in_plane(&mask, radius as f64 + 0.5);
        prop_assert_eq!(&close_in_plane(&closed, radius as f64 + 0.5), &closed);
        prop_assert!(mask.as_slice().iter().zip(closed.as_slice()).all(|(&m, &c)| c >= u8::from(m != 0)));
        prop_assert_eq!(&open_in_plane(&opened, radius), &opened);
        prop_assert_eq!(&fill_holes_in_plane(&filled), &filled);
    }
}

#[test]
fn an_output_that_meets_no_input_is_zero() {
    let axis = AxisWeights::overlap(&[[0.0, 5.0]], &[[0.0, 5.0], [5.0, 10.0]]);
    let mut resampled = [7.0, 7.0];

    axis.apply_within_row(&[3.0], 0, &mut resampled);

    assert_eq!(resampled, [3.0, 0.0]);
    assert!(axis.uses(0));
}

#[test]
fn the_centre_of_four_voxels_is_the_third() {
    let axis = AxisWeights::nearest(512, Window::whole(512), 128);

    assert!((0..128).all(|o| axis.taps(o) == (4 * o + 2, &[1.0][..])));
}

#[test]
fn the_larger_part_wins_and_the_first_of_equals() {
    let mask = Volume::new([1, 1, 8], vec![1, 0, 1, 1, 0, 0, 1, 1]).unwrap();

    let parts = Components::of(&mask, Connectivity::Corners);

    assert_eq!(parts.voxel_counts(), [1, 2, 2]);
    assert_eq!(parts.largest(), Some(2));
    assert_eq!(parts.mask_of(2).as_slice(), [0, 0, 1, 1, 0, 0, 0, 0]);
}
