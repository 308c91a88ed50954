//! Which series is the non-contrast head CT, and why.

use super::error::counted;
use super::header::Contrast;
use super::hounsfield::Rescale;
use super::refusal::{Refusal, SLICES_MIN};
use super::spacing::median;
use super::stack::{Image, Stack, normal};
use crate::limits::SCAN_VOXELS_MAX;

/// Least extent of a whole head, mm.
const COVERAGE_MIN_MM: f64 = 100.0;

/// Slices between these are what networks for head CT are trained on, mm.
const THICKNESS_WANTED_MM: std::ops::RangeInclusive<f64> = 2.0..=5.5;

/// A stack whose normal is nearer to the body's axis than 45° is axial.
const AXIAL_COSINE_MIN: f64 = std::f64::consts::FRAC_1_SQRT_2;

const LOCALIZER_WORDS: [&str; 5] = ["LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"];

/// Parts of _Image Type_ that say an image was computed from others.
const DERIVED_WORDS: [&str; 17] = [
    "MPR",
    "MIP",
    "MINIP",
    "MINIMUM",
    "MAXIMUM",
    "VRT",
    "VOLREN",
    "SSD",
    "REFORMATTED",
    "PROJECTION IMAGE",
    "PERFUSION",
    "CBF",
    "CBV",
    "MTT",
    "SUBTRACTION",
    "SCREEN SAVE",
    "DOSE_INFO",
];

/// Words of a series' description that mean contrast medium.
const CONTRAST_WORDS: [&str; 24] = [
    "CTA",
    "ANGIO",
    "ANGIOGRAPHY",
    "ANGIOGRAM",
    "CTV",
    "VENOGRAPHY",
    "VENOGRAM",
    "CTP",
    "PERFUSION",
    "PERF",
    "CBF",
    "CBV",
    "MTT",
    "TMAX",
    "POST CONTRAST",
    "POSTCONTRAST",
    "WITH CONTRAST",
    "W CONTRAST",
    "W/CONTRAST",
    "CONTRAST",
    "ENHANCED",
    "BOLUS",
    "MONITORING",
    "C+",
];

/// Words that take those above back.
const NO_CONTRAST_WORDS: [&str; 13] = [
    "WITHOUT",
    "W/O",
    "WO",
    "NON",
    "NONCONTRAST",
    "NCCT",
    "NECT",
    "UNENHANCED",
    "NATIVE",
    "NATIV",
    "NO CONTRAST",
    "OHNE",
    "SANS",
];

/// Words for another part of the body. Only a hint: descriptions are typed by hand.
const BODY_WORDS: [&str; 15] = [
    "CHEST", "THORAX", "LUNG", "ABDOMEN", "ABD", "PELVIS", "SPINE", "LUMBAR", "CERVICAL", "NECK",
    "CARDIAC", "HEART", "KNEE", "HIP", "FOOT",
];

/// How good a series is, what matters most first: the larger number wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Merit([usize; ADVANTAGES.len()]);

/// What a larger number in each place of [`Merit`] means.
const ADVANTAGES: [&str; 7] = [
    "covers the whole head",
    "is axial",
    "is not described as another part of the body",
    "has a kernel that suits the brain better",
    "has slices of 2 to 5.5 mm",
    "is original, not derived",
    "has more slices",
];

/// What a convolution kernel is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KernelKind {
    /// Bone or lung: sharp and noisy.
    Sharp,
    Unknown,
    /// Brain and soft tissue.
    Soft,
}

/// A series that can be used.
#[derive(Debug)]
pub(crate) struct Usable<'h> {
    pub stack: Stack<'h>,
    pub merit: Merit,
    is_axial: bool,
    kernel: KernelKind,
    /// What is to be told of it when it is used.
    pub doubts: Vec<String>,
}

/// Why a group of images cannot be a CT stack, from what each header says by itself.
pub(crate) fn refusal_by_header(images: &[Image<'_>]) -> Option<Refusal> {
    let header = images.first()?.header;
    if header.modality != "CT" {
        return Some(Refusal::NotCt { modality: tame(&header.modality) });
    }
    if header.pixels.as_ref().is_none_or(|format| format.frame_pixels() == 0) {
        return Some(Refusal::NoPixels);
    }
    if type_words(images[0]).any(|word| LOCALIZER_WORDS.iter().any(|l| word.contains(l))) {
        return Some(Refusal::Localizer);
    }
    images.iter().find_map(refusal_of_pixels).or_else(|| refusal_of_place(images))
}

fn refusal_of_pixels(image: &Image<'_>) -> Option<Refusal> {
    let format = image.header.pixels.as_ref()?;
    if format.samples != 1 || !format.photometric.starts_with("MONOCHROME") {
        return Some(Refusal::Colour { photometric: tame(&format.photometric) });
    }
    let (allocated, stored) = (format.bits_allocated, format.bits_stored);
    let is_read = matches!(allocated, 8 | 16)
        && (1..=allocated).contains(&stored)
        && (stored - 1..allocated).contains(&format.high_bit);
    if !is_read {
        return Some(Refusal::Bits { allocated, stored });
    }
    if let Err(name) = image.header.syntax.codec {
        return Some(Refusal::Codec { name });
    }
    if image.header.has_modality_lut {
        return Some(Refusal::ModalityLut);
    }
    refusal_of_unit(image)
}

fn refusal_of_unit(image: &Image<'_>) -> Option<Refusal> {
    // US is "unspecified", which some CT write beside a slope and intercept that give HU.
    let unit = image.frame.rescale_type.as_deref().map(str::to_uppercase);
    if let Some(unit) = unit.filter(|unit| !matches!(unit.as_str(), "HU" | "US")) {
        return Some(Refusal::OtherUnit { unit: tame(&unit) });
    }
    match rescale(image) {
        None => Some(Refusal::NoRescale),
        Some(rescale) if !rescale.is_plausible() => Some(Refusal::BadRescale { rescale }),
        Some(_) => None,
    }
}

/// Slope and intercept of an image, where it has both.
pub(crate) fn rescale(image: &Image<'_>) -> Option<Rescale> {
    let (slope, intercept) = image.frame.slope.zip(image.frame.intercept)?;
    Some(Rescale { slope, intercept })
}

fn refusal_of_place(images: &[Image<'_>]) -> Option<Refusal> {
    let (header, frame) = (images[0].header, images[0].frame);
    let said = header.pixels.as_ref().map_or(1, |format| format.frame_count);
    let described = header.frames.len();
    if said != described {
        return Some(Refusal::Frames { said, described });
    }
    let Some(orientation) = frame.orientation_lps.filter(|_| frame.position_lps_mm.is_some())
    else {
        return Some(Refusal::NoPosition { count: images.len() });
    };
    let Some(spacing_mm) = frame.spacing_mm else { return Some(Refusal::NoSpacing) };
    let is_plane = is_plane(orientation) && spacing_mm.iter().all(|&mm| mm > 0.0);
    (!is_plane).then_some(Refusal::BadPlane)
}

/// Two unit vectors at right angles, to within what headers round to.
fn is_plane([rx, ry, rz, cx, cy, cz]: [f64; 6]) -> bool {
    let (row, column) = ([rx, ry, rz], [cx, cy, cz]);
    let is_unit = |v| (haema_volume::norm(v) - 1.0).abs() < 0.01;
    is_unit(row) && is_unit(column) && haema_volume::dot(row, column).abs() < 0.01
}

/// Judges a stack as a non-contrast head CT.
///
/// * `is_asked_for` — the user named it: what was computed or has contrast is then only doubtful.
pub(crate) fn judge(
    stack: Stack<'_>,
    is_asked_for: bool,
) -> Result<Usable<'_>, (Stack<'_>, Refusal)> {
    let mut doubts = Vec::new();
    match refusal_as_head_ct(&stack) {
        Some(refusal) if is_asked_for && refusal.yields_to_user() => {
            let why = refusal.to_string();
            doubts.push(why.split_once(';').map_or(why.clone(), |(why, _)| why.to_owned()));
        }
        Some(refusal) => return Err((stack, refusal)),
        None => {}
    }
    Ok(weigh(stack, doubts))
}

fn refusal_as_head_ct(stack: &Stack<'_>) -> Option<Refusal> {
    let image = stack.images.first()?;
    let found = stack.images.len();
    if found < SLICES_MIN {
        return Some(Refusal::TooFewSlices { found });
    }
    let format = image.header.pixels.as_ref()?;
    let voxels = format.frame_pixels().saturating_mul(found);
    if voxels > SCAN_VOXELS_MAX {
        return Some(Refusal::TooManyVoxels { found: voxels, limit: SCAN_VOXELS_MAX });
    }
    let derived = DERIVED_WORDS.into_iter().find(|&word| type_words(*image).any(|w| w == word));
    if let Some(word) = derived {
        return Some(Refusal::Derived { word });
    }
    contrast_sign(image).map(|sign| Refusal::Contrast { sign })
}

fn contrast_sign(image: &Image<'_>) -> Option<String> {
    if image.header.contrast == Some(Contrast::Agent) {
        return Some("the header names an agent (Contrast/Bolus Agent)".into());
    }
    let description = &image.header.series_description;
    if description.first_of(&NO_CONTRAST_WORDS).is_some() {
        return None;
    }
    let word = description.first_of(&CONTRAST_WORDS)?;
    Some(format!("the series description says \"{word}\""))
}

fn weigh(stack: Stack<'_>, mut doubts: Vec<String>) -> Usable<'_> {
    let image = stack.images[0];
    let coverage_mm = stack.coverage_mm();
    let is_whole_head = coverage_mm >= COVERAGE_MIN_MM;
    if !is_whole_head {
        doubts.push(format!(
            "the slices cover {coverage_mm:.0} mm; a whole head takes at least \
             {COVERAGE_MIN_MM:.0} mm: what lies outside is not measured"
        ));
    }
    let is_axial = image
        .frame
        .orientation_lps
        .is_some_and(|orientation| normal(orientation)[2].abs() >= AXIAL_COSINE_MIN);
    if !is_axial {
        doubts.push("the slices are not axial".into());
    }
    let body = image.header.series_description.first_of(&BODY_WORDS);
    if let Some(word) = body {
        doubts.push(format!("the series description says \"{word}\": is this a head?"));
    }
    let kernel = kernel_kind(image.frame.kernel.as_deref().unwrap_or_default());
    if kernel == KernelKind::Sharp {
        doubts.push("reconstructed with a kernel for bone: sharp, and noisy in the brain".into());
    }
    let is_original = image.header.image_type.first().is_none_or(|kind| kind != "DERIVED");
    let merit = Merit([
        is_whole_head.into(),
        is_axial.into(),
        body.is_none().into(),
        kernel as usize,
        THICKNESS_WANTED_MM.contains(&median(&stack.gaps_mm())).into(),
        is_original.into(),
        stack.images.len(),
    ]);
    Usable { stack, merit, is_axial, kernel, doubts }
}

impl Merit {
    /// In what this series is better than another one that could be used, too.
    pub(crate) fn advantage_over(&self, other: &Self) -> &'static str {
        let differs = (0..ADVANTAGES.len()).find(|&i| self.0[i] != other.0[i]);
        differs.map_or("comes first by name", |i| ADVANTAGES[i])
    }
}

/// Tells kernels for bone from kernels for brain by the makers' names.
///
/// # Source
///
/// The makers' naming: Siemens H10–H90 and Hr/Qr/Br (the number is the sharpness), GE in words,
/// Philips two letters, Canon FC with a number.
pub(crate) fn kernel_kind(kernel: &str) -> KernelKind {
    const SIEMENS: [&str; 9] = ["H", "HR", "HC", "HV", "J", "Q", "QR", "B", "BR"];
    let kernel = kernel.to_uppercase();
    let starts = |words: &[&str]| words.iter().any(|word| kernel.starts_with(word));
    if starts(&["BONE", "EDGE", "LUNG", "ULTRA", "YA", "YB", "YC", "YD", "YE"]) {
        return KernelKind::Sharp;
    }
    if starts(&["STANDARD", "STD", "SOFT", "UA", "UB", "UC", "BRAIN", "HEAD"]) {
        return KernelKind::Soft;
    }
    let letters: String = kernel.chars().take_while(char::is_ascii_alphabetic).collect();
    let digits = kernel[letters.len()..].chars().take_while(char::is_ascii_digit);
    let Ok(sharpness) = digits.collect::<String>().parse::<u32>() else {
        return KernelKind::Unknown;
    };
    let is_siemens = SIEMENS.contains(&letters.as_str());
    match sharpness {
        20..=29 | 60..=69 if letters == "FC" => KernelKind::Soft,
        30..=39 | 50..=59 | 70..=99 if letters == "FC" => KernelKind::Sharp,
        20..=49 if is_siemens => KernelKind::Soft,
        55..=99 if is_siemens => KernelKind::Sharp,
        _ => KernelKind::Unknown,
    }
}

fn type_words(image: Image<'_>) -> impl Iterator<Item = &str> {
    image.header.image_type.iter().chain(&image.frame.type_details).map(String::as_str)
}

/// What a series is, without anything that a person typed.
pub(crate) fn describe(images: &[Image<'_>]) -> String {
    let Some(image) = images.first() else { return String::new() };
    let kind: Vec<String> = image.header.image_type.iter().take(3).map(|word| tame(word)).collect();
    let mut parts = vec![if image.header.modality.is_empty() {
        "no modality".to_owned()
    } else {
        tame(&image.header.modality)
    }];
    if !kind.is_empty() {
        parts.push(kind.join("/").to_lowercase());
    }
    if let Some(format) = &image.header.pixels {
        parts.push(format!("{} × {}", format.columns, format.rows));
    }
    if let Some(kernel) = &image.frame.kernel {
        parts.push(format!("kernel {}", tame(kernel)));
    }
    if let Some(mm) = thickness_range(images) {
        parts.push(mm);
    }
    parts.join(", ")
}

fn thickness_range(images: &[Image<'_>]) -> Option<String> {
    let all = images.iter().filter_map(|image| image.frame.thickness_mm);
    let (low, high) = all.fold(None, |range: Option<(f64, f64)>, mm| {
        Some(range.map_or((mm, mm), |(low, high)| (low.min(mm), high.max(mm))))
    })?;
    Some(if low == high { format!("{low} mm") } else { format!("{low} to {high} mm") })
}

/// Why the best series was taken.
pub(crate) fn reason_taken(usable: &Usable<'_>) -> String {
    let slices = counted(usable.stack.images.len(), "slice");
    let coverage_mm = usable.stack.coverage_mm();
    let kernel = match usable.kernel {
        KernelKind::Soft => ", soft kernel",
        KernelKind::Sharp => ", bone kernel",
        KernelKind::Unknown => "",
    };
    let plane = if usable.is_axial { "axial" } else { "not axial" };
    format!("the best CT found: {slices} over {coverage_mm:.0} mm, {plane}{kernel}")
}

/// A short code from a header, safe to print: what scanners write there and no more.
pub(crate) fn tame(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || " _+-./".contains(*c)).take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_known_by_their_makers_names() {
        for soft in ["H31s", "Hr38h", "J40s", "STANDARD", "STD+", "SOFT", "UB", "FC21", "FC64"] {
            assert_eq!(kernel_kind(soft), KernelKind::Soft, "{soft}");
        }
        for sharp in ["H60s", "H70h", "Hr64", "BONE", "BONEPLUS", "EDGE", "YD", "FC81", "LUNG"] {
            assert_eq!(kernel_kind(sharp), KernelKind::Sharp, "{sharp}");
        }
        for unknown in ["", "H", "FC", "FC10", "XYZ", "3"] {
            assert_eq!(kernel_kind(unknown), KernelKind::Unknown, "{unknown}");
        }
    }

    #[test]
    fn codes_from_headers_are_tamed() {
        assert_eq!(tame("STD+\n\u{7}ü"), "STD+");
        assert_eq!(tame("A code that is much too long to be one"), "A code that is m");
    }

    #[test]
    fn the_first_difference_is_the_advantage() {
        let best = Merit([1, 1, 1, 2, 0, 1, 30]);
        let sharp = Merit([1, 1, 1, 0, 1, 1, 90]);

        assert!(best > sharp);
        assert_eq!(best.advantage_over(&sharp), "has a kernel that suits the brain better");
        assert_eq!(best.advantage_over(&best), "comes first by name");
    }
}
