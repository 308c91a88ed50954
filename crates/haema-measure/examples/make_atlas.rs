//! Makes haema's atlas from head label maps: `training/atlas/README.md` says how and why.
//!
//! `cargo run --release -p haema-measure --example make_atlas -- MAPS OUT`

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::nifti;
use haema_measure::{ATLAS_PITCH_MM, Place, code_of, grey_code};
use haema_volume::{
    Affine, CtVolume, Freedom, Grid, HeadPyramid, Locator, LpsMap, Vec3, Volume, add, cross, dot,
    norm, parallel, register, scale, sub,
};

type Failure = Box<dyn Error>;

/// Rounds of registration to the mean of the round before.
const ROUNDS: usize = 3;
/// How far the atlas reaches to the right and left, front and back, below and above.
const REACH_MM: [[f64; 2]; 3] = [[-84.0, 84.0], [-106.0, 122.0], [-94.0, 98.0]];

fn main() -> Result<(), Failure> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [maps, out] = paths.as_slice() else {
        return Err("wanted two folders: that of the label maps, and one for the atlas".into());
    };
    let threads = std::thread::available_parallelism()?;
    let heads = haema_io::fs::list_folder(maps)?
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".nii.gz"))
        .map(|path| Head::read(path, threads))
        .collect::<Result<Vec<Head>, Failure>>()?;
    let grid = atlas_grid()?;
    let mut maps: Vec<LpsMap> = heads.iter().map(|head| head.posed).collect();
    // The first head begins, with its mirror image: a mean of heads that do not lie on each other yet
    // has no bone to go by.
    let mut template = mean(&heads[..1], &maps, &grid, threads);
    for _ in 0..ROUNDS {
        let fixed = HeadPyramid::of(
            &CtVolume::new(template.map(|&code| hu_of(code)), grid.clone())?,
            threads,
        )?;
        for (map, head) in maps.iter_mut().zip(&heads) {
            let found = register(&fixed, &head.pyramid, Freedom::Affine, threads)?;
            *map = found.moving_from_fixed;
        }
        to_mean_size(&mut maps);
        template = mean(&heads, &maps, &grid, threads);
    }
    let places = places(&heads, &maps, &grid, threads);
    haema_io::fs::create_folder(out)?;
    nifti::write(&out.join("template.nii.gz"), &template, &grid)?;
    nifti::write(&out.join("places.nii.gz"), &places, &grid)?;
    Ok(())
}

/// Stretches the atlas so that heads are as often larger as smaller.
fn to_mean_size(maps: &mut [LpsMap]) {
    let mean: Vec3 = std::array::from_fn(|axis| {
        maps.iter().map(|map| map.stretches()[axis]).sum::<f64>() / maps.len() as f64
    });
    let form = LpsMap::from_rows(std::array::from_fn(|axis| {
        let mut row = [0.0; 4];
        row[axis] = 1.0 / mean[axis];
        row
    }));
    for map in maps {
        *map = map.after(&form);
    }
}

fn hu_of(code: u8) -> f32 {
    haema_measure::hu_of_code(code)
}

fn atlas_grid() -> Result<Grid, Failure> {
    let count =
        |axis: usize| ((REACH_MM[axis][1] - REACH_MM[axis][0]) / ATLAS_PITCH_MM) as usize + 1;
    let pitch = ATLAS_PITCH_MM;
    let origin = REACH_MM.map(|reach| reach[0]);
    let affine =
        Affine::from_steps([pitch, 0.0, 0.0], [0.0, pitch, 0.0], [0.0, 0.0, pitch], origin);
    Ok(Grid::from_affine([count(2), count(1), count(0)], &affine)?)
}

/// One label map.
struct Head {
    labels: Volume<u16>,
    locator: Locator,
    /// As a scanner would see it.
    pyramid: HeadPyramid,
    /// From the atlas, by the pose of its parts.
    posed: LpsMap,
}

/// Labels that lie on the left, and their counterparts on the right.
const LEFT: [u16; 8] = [2, 3, 10, 11, 12, 13, 17, 18];
const RIGHT: [u16; 8] = [41, 42, 49, 50, 51, 52, 53, 54];
/// From the middle of the cerebellum to that of both caudate nuclei, and the middle of both thalami, in
/// MNI space, LPS: the Harvard-Oxford atlas, to 2 mm. They give the atlas its pose.
const CAUDATE_FROM_CEREBELLUM_MM: [f64; 3] = [0.0, -73.5, 43.0];
const THALAMI_MM: [f64; 3] = [0.0, 18.5, 7.0];

impl Head {
    fn read(path: &Path, threads: NonZeroUsize) -> Result<Self, Failure> {
        let (voxels, grid) = nifti::read(path)?.ct.into_parts();
        let labels = voxels.map(|&label| label as u16);
        let hu = labels.map(|&label| hu_of_label(label));
        let pyramid = HeadPyramid::of(&CtVolume::new(hu, grid.clone())?, threads)?;
        let posed = pose(&labels, &grid);
        Ok(Self { labels, locator: Locator::of(&grid), pyramid, posed })
    }

    fn label_at(&self, point: Vec3) -> u16 {
        self.locator.nearest(point).map_or(0, |index| self.labels[index])
    }
}

/// The head from the atlas: left is left, and the cerebellum lies below the caudate nuclei as in MNI
/// space.
fn pose(labels: &Volume<u16>, grid: &Grid) -> LpsMap {
    let centre = |wanted: &[u16]| {
        let affine = grid.lps_from_index();
        let [_, rows, columns] = grid.size();
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for (offset, _) in labels.as_slice().iter().enumerate().filter(|(_, l)| wanted.contains(l))
        {
            let row = offset / columns;
            let index = [row / rows, row % rows, offset % columns];
            sum = add(sum, affine.point_at(index.map(|i| i as f64)));
            count += 1.0;
        }
        scale(sum, 1.0 / count)
    };
    let unit = |v: Vec3| scale(v, 1.0 / norm(v));
    let frame = |x: Vec3, way: Vec3| {
        let x = unit(x);
        let along = unit(sub(way, scale(x, dot(x, way))));
        [x, along, cross(x, along)]
    };
    let way = sub(centre(&[11, 50]), centre(&[8, 47]));
    let of_head = frame(sub(centre(&LEFT), centre(&RIGHT)), way);
    let of_atlas = frame([1.0, 0.0, 0.0], CAUDATE_FROM_CEREBELLUM_MM);
    let turn = |point: Vec3| {
        let parts = of_atlas.map(|axis| dot(axis, point));
        (0..3).fold([0.0; 3], |sum, k| add(sum, scale(of_head[k], parts[k])))
    };
    let offset = sub(centre(&[10, 49]), turn(THALAMI_MM));
    let columns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(turn);
    LpsMap::from_rows(std::array::from_fn(|i| {
        [columns[0][i], columns[1][i], columns[2][i], offset[i]]
    }))
}

/// Every head and its mirror image at a point of the atlas, so that left and right come out alike.
fn labels_at<'a>(
    heads: &'a [Head],
    maps: &'a [LpsMap],
    point: Vec3,
) -> impl Iterator<Item = u16> + 'a {
    let mirrored = [-point[0], point[1], point[2]];
    heads
        .iter()
        .zip(maps)
        .flat_map(move |(head, map)| [point, mirrored].map(|point| head.label_at(map.apply(point))))
}

/// Mean grey, as codes.
fn mean(heads: &[Head], maps: &[LpsMap], grid: &Grid, threads: NonZeroUsize) -> Volume<u8> {
    every_voxel(grid, threads, |point| {
        let codes =
            labels_at(heads, maps, point).map(|label| f64::from(grey_code(hu_of_label(label))));
        (codes.sum::<f64>() / (2.0 * heads.len() as f64)).round() as u8
    })
}

fn every_voxel<T: Clone + Send>(
    grid: &Grid,
    threads: NonZeroUsize,
    value_at: impl Fn(Vec3) -> T + Sync,
) -> Volume<T> {
    let [depth, rows, columns] = grid.size();
    let planes = parallel::map(0..depth, threads, |_, z| {
        let points = (0..rows * columns)
            .map(|i| grid.point_lps_mm(z, (i / columns) as f64, (i % columns) as f64));
        points.map(&value_at).collect::<Vec<T>>()
    });
    Volume::new(grid.size(), planes.concat()).expect("every voxel was asked for")
}

/// What the maps tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Cerebrum,
    Deep,
    Thalamus,
    Brainstem,
    Cerebellum,
    Lateral,
    Third,
    Fourth,
    Fluid,
}

const CLASSES: [Class; 9] = [
    Class::Cerebrum,
    Class::Deep,
    Class::Thalamus,
    Class::Brainstem,
    Class::Cerebellum,
    Class::Lateral,
    Class::Third,
    Class::Fourth,
    Class::Fluid,
];

/// `None` outside the cavity of the skull.
fn class_of(label: u16) -> Option<Class> {
    Some(match label {
        2 | 3 | 41 | 42 | 17 | 18 | 53 | 54 | 25 | 57 | 77 => Class::Cerebrum,
        4 | 5 | 43 | 44 | 72 | 31 | 63 | 136 | 137 | 163 | 164 => Class::Lateral,
        7 | 8 | 46 | 47 => Class::Cerebellum,
        10 | 49 => Class::Thalamus,
        11..=13 | 26 | 50..=52 | 58 => Class::Deep,
        14 => Class::Third,
        15 => Class::Fourth,
        16 | 28 | 60 => Class::Brainstem,
        24 | 30 | 62 | 85 => Class::Fluid,
        _ => return None,
    })
}

/// Textbook values at 120 kV.
fn hu_of_label(label: u16) -> f32 {
    match label {
        0 => -1000.0,
        2 | 41 | 77 | 25 | 57 => 28.0,
        3 | 42 | 17 | 18 | 53 | 54 => 37.0,
        4 | 5 | 43 | 44 | 14 | 15 | 72 => 6.0,
        7 | 46 | 16 | 28 | 60 => 32.0,
        8 | 47 => 38.0,
        10 | 49 | 11..=13 | 50..=52 | 26 | 58 => 36.0,
        24 => 9.0,
        30 | 62 | 502 | 514 => 45.0,
        506 => 12.0,
        507 => 10.0,
        515 => 1100.0,
        516 => 550.0,
        _ => 35.0,
    }
}

/// Capsules and the white matter at the nuclei's edge count as deep: a bleed there is one.
const CAPSULE_MM: f64 = 6.5;

/// The class that most heads have at a place, and of the cerebrum its lobe. Thin parts, which rarely
/// lie upon each other in different heads, would lose every vote: the third and fourth ventricle count
/// from a quarter of the votes.
fn places(heads: &[Head], maps: &[LpsMap], grid: &Grid, threads: NonZeroUsize) -> Volume<u8> {
    let votes = every_voxel(grid, threads, |point| {
        let mut votes = [0_u8; 10];
        for label in labels_at(heads, maps, point) {
            let class = class_of(label).and_then(|class| CLASSES.iter().position(|c| *c == class));
            votes[class.unwrap_or(9)] += 1;
        }
        votes
    });
    let mni = Mni::of(&votes, grid);
    let all = 2 * heads.len();
    let classes = votes.map(|votes| winner(votes, all));
    let axes: [Vec<f64>; 3] =
        grid.size().map(|n| (0..n).map(|i| i as f64 * ATLAS_PITCH_MM).collect());
    let to_deep_mm =
        haema_volume::distances_mm(&classes, [&axes[0], &axes[1], &axes[2]], |class| {
            matches!(class, Some(Class::Deep | Class::Thalamus))
        });
    let [_, rows, columns] = grid.size();
    let voxels = classes.as_slice().iter().zip(to_deep_mm.as_slice()).enumerate();
    let voxels = voxels.map(|(offset, (class, to_deep_mm))| {
        let row = offset / columns;
        let point = grid.point_lps_mm(row / rows, (row % rows) as f64, (offset % columns) as f64);
        let Some(class) = *class else { return 0 };
        let is_right = point[0] < 0.0;
        let lobe = mni.lobe(point);
        match class {
            Class::Cerebrum if *to_deep_mm > CAPSULE_MM => code_of(lobe, is_right, true),
            Class::Cerebrum | Class::Deep => code_of(Place::BasalGanglia, is_right, true),
            Class::Thalamus => code_of(Place::Thalamus, is_right, true),
            Class::Brainstem => code_of(Place::Brainstem, false, true),
            Class::Cerebellum => code_of(Place::Cerebellum, is_right, true),
            Class::Lateral => code_of(Place::LateralVentricle, is_right, true),
            Class::Third => code_of(Place::ThirdVentricle, false, true),
            Class::Fourth => code_of(Place::FourthVentricle, false, true),
            Class::Fluid => {
                let below = mni.is_below_tentorium(point);
                code_of(if below { Place::Cerebellum } else { lobe }, is_right, false)
            }
        }
    });
    Volume::new(grid.size(), voxels.collect()).expect("one code for each voxel")
}

fn winner(votes: &[u8; 10], all: usize) -> Option<Class> {
    for thin in [6, 7] {
        if 4 * usize::from(votes[thin]) >= all {
            return Some(CLASSES[thin]);
        }
    }
    if 2 * usize::from(votes[9]) > all {
        return None;
    }
    let most = votes[..9].iter().max()?;
    votes[..9].iter().position(|v| v == most).map(|class| CLASSES[class])
}

/// From the atlas to the space of MNI, in which lobes have been described: along the midline only, by
/// a line through the centres of parts whose place in MNI is known, and the ends of the cerebrum.
///
/// # Source
///
/// Centres: of the Harvard-Oxford subcortical atlas, to 2 mm. Ends: those of the MNI152 template.
#[derive(Debug)]
struct Mni {
    /// MNI's `y` (towards the front) and `z` from 1, `y` and `z` of the atlas (towards back and top).
    y: [f64; 3],
    z: [f64; 3],
    x: f64,
}

impl Mni {
    fn of(votes: &Volume<[u8; 10]>, grid: &Grid) -> Self {
        let centre = |class: usize| {
            let mut sum = [0.0; 4];
            for_each(votes, grid, |votes, point| {
                let weight = f64::from(votes[class]);
                sum[3] += weight;
                for axis in 0..3 {
                    sum[axis] += weight * if axis == 0 { point[0].abs() } else { point[axis] };
                }
            });
            [0, 1, 2].map(|axis| sum[axis] / sum[3])
        };
        // Deep nuclei, thalamus, brainstem, fourth ventricle.
        let known = [
            (1, [22.0, 2.5, 2.0]),
            (2, [11.0, -18.5, 7.0]),
            (3, [0.0, -28.0, -27.0]),
            (7, [0.0, -46.0, -32.0]),
        ];
        let mut pairs: Vec<(Vec3, [Option<f64>; 2])> =
            known.iter().map(|(class, at)| (centre(*class), [Some(at[1]), Some(at[2])])).collect();
        let mut ends = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        for_each(votes, grid, |votes, point| {
            if votes[0] > 20 {
                for axis in 0..3 {
                    ends[0][axis] = ends[0][axis].min(point[axis]);
                    ends[1][axis] = ends[1][axis].max(point[axis]);
                }
            }
        });
        pairs.push(([0.0, ends[0][1], 0.0], [Some(70.0), None]));
        pairs.push(([0.0, ends[1][1], 0.0], [Some(-104.0), None]));
        pairs.push(([0.0, 0.0, ends[1][2]], [None, Some(78.0)]));
        let fit = |target: usize| {
            let rows: Vec<([f64; 3], f64)> = pairs
                .iter()
                .filter_map(|(p, at)| at[target].map(|at| ([1.0, p[1], p[2]], at)))
                .collect();
            least_squares(&rows)
        };
        Self { y: fit(0), z: fit(1), x: 68.0 / ends[1][0].max(1.0) }
    }

    /// MNI coordinates: `x` without its side.
    fn at(&self, [x, y, z]: Vec3) -> Vec3 {
        let along = |line: [f64; 3]| line[0] + line[1] * y + line[2] * z;
        [self.x * x.abs(), along(self.y), along(self.z)]
    }

    /// Planes near the great sulci: occipital behind the parieto-occipital sulcus and the preoccipital
    /// notch, temporal below the Sylvian fissure, frontal in front of the central sulcus.
    fn lobe(&self, point: Vec3) -> Place {
        let [x, y, z] = self.at(point);
        let sylvian_z = -12.0 + 0.62 * (10.0 - y);
        let is_beside = x > 20.0 + 0.25 * (y + 20.0).max(0.0);
        match () {
            () if y < -64.0 - 0.25 * (z + 5.0) => Place::OccipitalLobe,
            () if z < sylvian_z.min(22.0) && y < 22.0 && (is_beside || (y < -5.0 && z < 2.0)) => {
                Place::TemporalLobe
            }
            () if y > -38.0 + 0.55 * (78.0 - z) => Place::FrontalLobe,
            () if z < -4.0 && y > -5.0 => Place::FrontalLobe,
            () => Place::ParietalLobe,
        }
    }

    fn is_below_tentorium(&self, point: Vec3) -> bool {
        let [x, y, z] = self.at(point);
        // From the notch to the transverse sinus; in front of the notch the pons and what lies before.
        let roof = if y < -38.0 { -8.0 + 0.38 * (y + 38.0) } else { -18.0 };
        z < roof && (y < -30.0 || x < 20.0)
    }
}

fn for_each(votes: &Volume<[u8; 10]>, grid: &Grid, mut see: impl FnMut(&[u8; 10], Vec3)) {
    let [_, rows, columns] = grid.size();
    for (offset, votes) in votes.as_slice().iter().enumerate() {
        let row = offset / columns;
        see(votes, grid.point_lps_mm(row / rows, (row % rows) as f64, (offset % columns) as f64));
    }
}

/// Normal equations of three unknowns, by Cramer's rule.
fn least_squares(rows: &[([f64; 3], f64)]) -> [f64; 3] {
    let normal: [[f64; 3]; 3] = std::array::from_fn(|i| {
        std::array::from_fn(|j| rows.iter().map(|(row, _)| row[i] * row[j]).sum())
    });
    let right: [f64; 3] = std::array::from_fn(|i| rows.iter().map(|(row, at)| row[i] * at).sum());
    let det = |m: &[[f64; 3]; 3]| haema_volume::dot(m[0], haema_volume::cross(m[1], m[2]));
    let whole = det(&normal);
    std::array::from_fn(|k| {
        let mut replaced = normal;
        for (row, value) in replaced.iter_mut().zip(right) {
            row[k] = value;
        }
        det(&replaced) / whole
    })
}
