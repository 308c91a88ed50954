//! How likely a voxel belongs to the two brightest of four classes of tissue.

use std::num::NonZeroUsize;

use haema_volume::{Volume, parallel};

use super::head::Head;

const CLASSES: usize = 4;
/// Rounds of the mixture. Source: methods.md C3, `prob_img`.
const ROUNDS: usize = 5;
/// Rounds of the beginning, by means alone.
const FIRST_ROUNDS: usize = 20;
/// Pull of a neighbour towards its own class.
const PULL: f64 = 0.2;
/// No class is narrower, Hounsfield units.
const LEAST_SD_HU: f64 = 1.0;

/// A class: its share, mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Class {
    share: f64,
    mean: f64,
    sd: f64,
}

/// A mixture of four normal classes over the brain, whose voxels pull each other to their class.
pub(super) fn bright_share(head: &Head, threads: NonZeroUsize) -> Volume<f32> {
    let mut classes = by_means(head);
    // 255 outside the brain.
    let mut labels = head.brain.map(|_| 255_u8);
    let mut bright = Volume::filled(head.value.size(), 0.0);
    for _ in 0..ROUNDS {
        let planes = parallel::map(0..head.value.size()[0], threads, |_, z| {
            plane(head, &labels, &classes, z)
        });
        let mut sums = [[0.0; 3]; CLASSES];
        for (z, found) in planes.into_iter().enumerate() {
            labels.plane_mut(z).copy_from_slice(&found.labels);
            bright.plane_mut(z).copy_from_slice(&found.bright);
            for (sum, own) in sums.iter_mut().zip(found.sums) {
                (0..3).for_each(|i| sum[i] += own[i]);
            }
        }
        let all: f64 = sums.iter().map(|sum| sum[0]).sum();
        for (class, [weight, sum, squares]) in classes.iter_mut().zip(sums) {
            if weight > 0.0 {
                let mean = sum / weight;
                let variance = (squares / weight - mean * mean).max(0.0);
                *class = Class { share: weight / all, mean, sd: variance.sqrt().max(LEAST_SD_HU) };
            }
        }
    }
    bright
}

struct Plane {
    labels: Vec<u8>,
    bright: Vec<f32>,
    /// Of each class: weights, values, squares.
    sums: [[f64; 3]; CLASSES],
}

fn plane(head: &Head, labels: &Volume<u8>, classes: &[Class; CLASSES], z: usize) -> Plane {
    let [_, rows, columns] = head.value.size();
    let count = rows * columns;
    let mut found =
        Plane { labels: vec![255; count], bright: vec![0.0; count], sums: [[0.0; 3]; CLASSES] };
    let brain = head.brain.plane(z);
    for (i, _) in brain.iter().enumerate().filter(|(_, brain)| **brain != 0) {
        let value = f64::from(head.value.plane(z)[i]);
        let around = neighbours(labels, [z, i / columns, i % columns]);
        let weight = |k: usize| {
            let Class { share, mean, sd } = classes[k];
            let away = (value - mean) / sd;
            share / sd * (PULL * f64::from(around[k]) - 0.5 * away * away).exp()
        };
        let weights: [f64; CLASSES] = std::array::from_fn(weight);
        let all: f64 = weights.iter().sum();
        if all <= 0.0 {
            continue;
        }
        let mut most = 0;
        for (k, weight) in weights.iter().enumerate() {
            let p = weight / all;
            let sum = &mut found.sums[k];
            *sum = [sum[0] + p, sum[1] + p * value, sum[2] + p * value * value];
            if *weight > weights[most] {
                most = k;
            }
        }
        found.labels[i] = most as u8;
        found.bright[i] = ((weights[2] + weights[3]) / all) as f32;
    }
    found
}

/// How many of the 26 neighbours are in each class.
fn neighbours(labels: &Volume<u8>, [z, y, x]: [usize; 3]) -> [u8; CLASSES] {
    let [depth, rows, columns] = labels.size();
    let mut counts = [0; CLASSES];
    for z in z.saturating_sub(1)..=(z + 1).min(depth - 1) {
        for y in y.saturating_sub(1)..=(y + 1).min(rows - 1) {
            let row = labels.offset([z, y, 0]);
            let near = x.saturating_sub(1)..=(x + 1).min(columns - 1);
            for &label in &labels.as_slice()[row + near.start()..=row + near.end()] {
                if let Some(count) = counts.get_mut(usize::from(label)) {
                    *count += 1;
                }
            }
        }
    }
    let own = labels[[z, y, x]];
    if let Some(count) = counts.get_mut(usize::from(own)) {
        *count -= 1;
    }
    counts
}

/// Four classes by k-means on whole Hounsfield units, in the order of their means.
fn by_means(head: &Head) -> [Class; CLASSES] {
    let mut counts = [0.0_f64; 101];
    let voxels = head.value.as_slice().iter().zip(head.brain.as_slice());
    for (value, _) in voxels.filter(|(_, brain)| **brain != 0) {
        counts[value.round().clamp(0.0, 100.0) as usize] += 1.0;
    }
    let mut means: [f64; CLASSES] = std::array::from_fn(|k| 12.5 + 25.0 * k as f64);
    let mut sums = [[0.0; 3]; CLASSES];
    for _ in 0..FIRST_ROUNDS {
        sums = [[0.0; 3]; CLASSES];
        for (hu, &count) in counts.iter().enumerate() {
            let hu = hu as f64;
            let near = |k: &usize| (hu - means[*k]).abs();
            let k = (0..CLASSES).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(0);
            sums[k] = [sums[k][0] + count, sums[k][1] + count * hu, sums[k][2] + count * hu * hu];
        }
        for (mean, [count, sum, _]) in means.iter_mut().zip(sums) {
            if count > 0.0 {
                *mean = sum / count;
            }
        }
    }
    let all: f64 = counts.iter().sum::<f64>().max(1.0);
    std::array::from_fn(|k| {
        let [count, _, squares] = sums[k];
        let variance = if count > 0.0 { squares / count - means[k] * means[k] } else { 0.0 };
        Class {
            share: (count / all).max(1e-6),
            mean: means[k],
            sd: variance.max(0.0).sqrt().max(LEAST_SD_HU),
        }
    })
}
