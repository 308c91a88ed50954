//! From loose images to stacks: grouped by what they share, sorted by where they lie.

use std::collections::BTreeMap;

use haema_volume::{Vec3, cross, dot, norm, scale, sub};

use super::error::counted;
use super::header::{Frame, Header, TELLTALES};
use super::refusal::Refusal;
use super::spacing::{runs, tolerance_mm};
use crate::phi::Uid;

/// One frame of one file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image<'h> {
    /// Which file of the source.
    pub file: usize,
    /// Which frame of the file.
    pub frame_index: usize,
    pub header: &'h Header,
    pub frame: &'h Frame,
}

/// Images that lie behind one another, sorted upwards along their normal.
#[derive(Debug, Clone)]
pub(crate) struct Stack<'h> {
    pub images: Vec<Image<'h>>,
    /// Images left out because another has the same place and the same pixels.
    pub copies: usize,
}

/// Two directions are the same where no cosine differs by more.
const DIRECTION_TOLERANCE: f64 = 1e-3;

/// Images nearer than this lie at the same place: headers round to 0.01 mm or finer.
const SAME_PLACE_MM: f64 = 0.05;

/// After so many places with different pixels, images are not compared any more: two whole
/// reconstructions lie in each other's places.
const COMPARISONS_MAX: usize = 3;

/// Groups images that can lie in one stack: same series, shape, kind, plane and pixel size.
pub(crate) fn group(images: Vec<Image<'_>>) -> Vec<Vec<Image<'_>>> {
    let mut alike: BTreeMap<_, Vec<Vec<Image<'_>>>> = BTreeMap::new();
    for image in images {
        let groups = alike.entry(key(&image)).or_default();
        match groups.iter_mut().find(|group| lie_alike(group[0].frame, image.frame)) {
            Some(group) => group.push(image),
            None => groups.push(vec![image]),
        }
    }
    alike.into_values().flatten().collect()
}

type Key<'h> = (&'h Uid, &'h str, Option<[usize; 3]>, &'h [String], &'h Uid);

fn key<'h>(image: &Image<'h>) -> Key<'h> {
    let header = image.header;
    let shape = header.pixels.as_ref().map(|p| [p.rows, p.columns, p.samples]);
    let kind = &header.image_type[..header.image_type.len().min(3)];
    (&header.series, &header.modality, shape, kind, &header.frame_of_reference)
}

fn lie_alike(a: &Frame, b: &Frame) -> bool {
    a.position_lps_mm.is_some() == b.position_lps_mm.is_some()
        && are_near(a.orientation_lps, b.orientation_lps, DIRECTION_TOLERANCE)
        && are_near(a.spacing_mm, b.spacing_mm, 1e-4)
}

fn are_near<const N: usize>(a: Option<[f64; N]>, b: Option<[f64; N]>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance),
        (None, None) => true,
        _ => false,
    }
}

/// Where an image lies along its normal, mm. `0` where it does not say; such images are refused
/// before a stack is made of them.
pub(crate) fn position_mm(image: &Image<'_>) -> f64 {
    match (image.frame.position_lps_mm, image.frame.orientation_lps) {
        (Some(position), Some(orientation)) => dot(position, normal(orientation)),
        _ => 0.0,
    }
}

/// The direction across an image: row × column.
pub(crate) fn normal([rx, ry, rz, cx, cy, cz]: [f64; 6]) -> Vec3 {
    let across = cross([rx, ry, rz], [cx, cy, cz]);
    scale(across, 1.0 / norm(across))
}

impl<'h> Stack<'h> {
    /// Sorts images upwards. Images at one place keep the order of their files.
    fn new(mut images: Vec<Image<'h>>) -> Self {
        images.sort_by(|a, b| position_mm(a).total_cmp(&position_mm(b)));
        Self { images, copies: 0 }
    }

    fn joined(&self, other: &Self) -> Self {
        Self::new([self.images.as_slice(), &other.images].concat())
    }

    fn first_mm(&self) -> f64 {
        self.images.first().map_or(0.0, position_mm)
    }

    fn last_mm(&self) -> f64 {
        self.images.last().map_or(0.0, position_mm)
    }

    /// Whether image `i` lies where the one before it lies.
    fn is_repeat(&self, i: usize) -> bool {
        i > 0 && position_mm(&self.images[i]) - position_mm(&self.images[i - 1]) < SAME_PLACE_MM
    }

    fn has_repeats(&self) -> bool {
        (0..self.images.len()).any(|i| self.is_repeat(i))
    }

    /// Distance from each slice to the next across the slices, mm.
    pub(crate) fn gaps_mm(&self) -> Vec<f64> {
        self.images.windows(2).map(|pair| position_mm(&pair[1]) - position_mm(&pair[0])).collect()
    }

    /// Distance from each slice to the next as the table moved, mm. Longer than the gap where the
    /// gantry is tilted.
    pub(crate) fn travel_mm(&self) -> Vec<f64> {
        let position = |image: &Image<'_>| image.frame.position_lps_mm.unwrap_or_default();
        self.images
            .windows(2)
            .map(|pair| norm(sub(position(&pair[1]), position(&pair[0]))))
            .collect()
    }

    /// Thickness of each slice as its header says.
    pub(crate) fn thickness_mm(&self) -> Vec<Option<f64>> {
        self.images.iter().map(|image| image.frame.thickness_mm).collect()
    }

    /// What the slices cover, from the lower face of the first to the upper face of the last, mm.
    pub(crate) fn coverage_mm(&self) -> f64 {
        let gaps_mm = self.gaps_mm();
        let ends = gaps_mm.first().zip(gaps_mm.last()).map_or(0.0, |(a, b)| (a + b) / 2.0);
        gaps_mm.iter().sum::<f64>() + ends
    }
}

/// Makes stacks of a group's images, all of which say where they lie.
///
/// * `are_same` — whether two images have the same pixels; asked only where they lie at one place.
pub(crate) fn stacks<'h>(
    group: Vec<Image<'h>>,
    are_same: &dyn Fn(&Image<'h>, &Image<'h>) -> bool,
) -> Vec<Result<Stack<'h>, (Vec<Image<'h>>, Refusal)>> {
    let chains = chains(group);
    chains.into_iter().flat_map(|chain| resolve(chain, are_same)).collect()
}

/// What tells apart two reconstructions of the same slices within a series.
type Details<'h> = (Option<&'h str>, Option<i64>, &'h [String]);

fn details<'h>(image: &Image<'h>) -> Details<'h> {
    let hundredths = image.frame.thickness_mm.map(|mm| (100.0 * mm).round() as i64);
    (image.frame.kernel.as_deref(), hundredths, &image.frame.type_details)
}

/// Parts of one series with different kernel, thickness or kind. Where one part begins above the
/// end of another they are one stack (thin at the base, thick above); where they overlap they are
/// two reconstructions, unless together they are as regular as alone.
fn chains(group: Vec<Image<'_>>) -> Vec<Stack<'_>> {
    let mut parts: BTreeMap<Details<'_>, Vec<Image<'_>>> = BTreeMap::new();
    for image in group {
        parts.entry(details(&image)).or_default().push(image);
    }
    let mut parts: Vec<Stack<'_>> = parts.into_values().map(Stack::new).collect();
    parts.sort_by(|a, b| a.first_mm().total_cmp(&b.first_mm()));
    let mut chains: Vec<Stack<'_>> = Vec::new();
    for part in parts {
        let with_its_kernel = chains.iter().position(|chain| {
            has_kernel_of(chain, &part) && (continues(chain, &part) || fills(chain, &part))
        });
        let at = with_its_kernel.or_else(|| chains.iter().position(|c| continues(c, &part)));
        match at {
            Some(at) => chains[at] = chains[at].joined(&part),
            None => chains.push(part),
        }
    }
    chains
}

fn has_kernel_of(chain: &Stack<'_>, part: &Stack<'_>) -> bool {
    let kernel = |stack: &Stack<'_>| stack.images[0].frame.kernel.clone();
    kernel(chain) == kernel(part)
}

/// Whether `part` goes on where `chain` ends: above it, and not further than three of the wider
/// gaps.
fn continues(chain: &Stack<'_>, part: &Stack<'_>) -> bool {
    let gap_mm = part.first_mm() - chain.last_mm();
    let widest = chain.gaps_mm().into_iter().chain(part.gaps_mm()).fold(0.0, f64::max);
    gap_mm >= SAME_PLACE_MM && gap_mm <= 3.0 * widest + tolerance_mm(widest)
}

/// Whether `part` lies in the gaps of `chain`, or the other way round, and makes the spacing no
/// less regular: images of one stack whose headers round the thickness differently.
fn fills(chain: &Stack<'_>, part: &Stack<'_>) -> bool {
    let both = chain.joined(part);
    let changes = |stack: &Stack<'_>| runs(&stack.gaps_mm()).len();
    !both.has_repeats() && changes(&both) <= changes(chain).max(changes(part))
}

/// Drops copies, and tells apart what lies at the same places with different pixels.
fn resolve<'h>(
    chain: Stack<'h>,
    are_same: &dyn Fn(&Image<'h>, &Image<'h>) -> bool,
) -> Vec<Result<Stack<'h>, (Vec<Image<'h>>, Refusal)>> {
    let stack = without_copies(chain, are_same);
    if !stack.has_repeats() {
        return vec![Ok(stack)];
    }
    if let Some(parts) = told_apart(&stack) {
        return parts.into_iter().map(Ok).collect();
    }
    let places = (0..stack.images.len()).filter(|&i| stack.is_repeat(i)).count();
    vec![Err((stack.images, Refusal::Conflict { places: counted(places, "place") }))]
}

fn without_copies<'h>(
    chain: Stack<'h>,
    are_same: &dyn Fn(&Image<'h>, &Image<'h>) -> bool,
) -> Stack<'h> {
    let mut kept = Stack { images: Vec::with_capacity(chain.images.len()), copies: chain.copies };
    let mut different = 0;
    for image in chain.images {
        let at_this_place = kept
            .images
            .iter()
            .rev()
            .take_while(|other| position_mm(&image) - position_mm(other) < SAME_PLACE_MM);
        let mut is_copy = false;
        for other in at_this_place {
            if different >= COMPARISONS_MAX {
                break;
            }
            is_copy = are_same(&image, other);
            if is_copy {
                break;
            }
            different += 1;
        }
        if is_copy {
            kept.copies += 1;
        } else {
            kept.images.push(image);
        }
    }
    kept
}

/// Splits a stack by the first attribute that leaves no two images at one place, in as many parts
/// as there are images at the busiest place.
fn told_apart<'h>(stack: &Stack<'h>) -> Option<Vec<Stack<'h>>> {
    let busiest = busiest_place(stack);
    (0..TELLTALES + 2).find_map(|telltale| {
        let mut parts: BTreeMap<_, Vec<Image<'h>>> = BTreeMap::new();
        for image in &stack.images {
            parts.entry(telltale_of(image, telltale)).or_default().push(*image);
        }
        let parts: Vec<Stack<'h>> = parts.into_values().map(Stack::new).collect();
        let is_clean = parts.len() == busiest && !parts.iter().any(Stack::has_repeats);
        is_clean.then_some(parts)
    })
}

fn telltale_of<'h>(image: &Image<'h>, telltale: usize) -> (Option<&'h str>, Option<usize>) {
    match telltale.checked_sub(TELLTALES) {
        None => (image.header.telltales[telltale].as_deref(), None),
        Some(pass) => (None, image.frame.pass[pass]),
    }
}

fn busiest_place(stack: &Stack<'_>) -> usize {
    let mut busiest = 0;
    let mut here = 0;
    for i in 0..stack.images.len() {
        here = if stack.is_repeat(i) { here + 1 } else { 1 };
        busiest = busiest.max(here);
    }
    busiest
}
