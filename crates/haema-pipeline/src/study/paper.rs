//! What the paper printed, to be shown beside our figures and never mixed with them.
//!
//! # Source
//!
//! A. Arab et al., "A fast and fully-automated deep-learning approach for accurate hemorrhage segmentation
//! and volume quantification in non-contrast whole-head CT", _Scientific Reports_ 10, 2020,
//! doi:10.1038/s41598-020-76459-7: Tables 1 to 5 and text.

/// Mean and standard deviation, as printed.
pub type Printed = [f64; 2];

/// A row of Table 2: ten test scans, volumes of the second rater over those of the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperPair {
    /// The two raters; `M` is the method.
    pub raters: [&'static str; 2],
    /// Cohen's κ.
    pub kappa: Printed,
    /// Slope β, and its p.
    pub slope: [f64; 2],
    /// Intercept α in mL, and its p.
    pub intercept_ml: [f64; 2],
}

const fn pair(
    raters: [&'static str; 2],
    kappa: Printed,
    slope: [f64; 2],
    intercept_ml: [f64; 2],
) -> PaperPair {
    PaperPair { raters, kappa, slope, intercept_ml }
}

/// Table 2.
pub const TABLE_2: [PaperPair; 6] = [
    pair(["E1", "E2"], [0.88, 0.05], [1.13, 7.99e-10], [-2.30, 0.141]),
    pair(["E1", "E3"], [0.87, 0.07], [1.45, 1.11e-6], [-8.26, 0.107]),
    pair(["E2", "E3"], [0.89, 0.07], [1.29, 1.15e-7], [-5.60, 0.126]),
    pair(["E1", "M"], [0.84, 0.06], [1.05, 6.12e-8], [-1.24, 0.600]),
    pair(["E2", "M"], [0.82, 0.08], [0.93, 4.97e-8], [1.01, 0.648]),
    pair(["E3", "M"], [0.82, 0.08], [0.69, 1.31e-5], [6.36, 0.142]),
];

/// A method over scans, against the experts' vote: a row of Table 3 or 4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperMethod {
    /// The method, as `--method` names it.
    pub method: &'static str,
    /// Dice.
    pub dice: Printed,
    /// Seconds a scan, preprocessing and inference.
    pub seconds: Printed,
    /// Precision, where it was printed.
    pub precision: Option<Printed>,
    /// Recall, where it was printed.
    pub recall: Option<Printed>,
    /// F1: the harmonic mean of the means of precision and recall.
    pub f1: Option<f64>,
}

/// * `overlap` — Dice, precision, recall.
const fn row(
    method: &'static str,
    overlap: [Printed; 3],
    f1: f64,
    seconds: Printed,
) -> PaperMethod {
    let [dice, precision, recall] = overlap;
    let (precision, recall, f1) = (Some(precision), Some(recall), Some(f1));
    PaperMethod { method, dice, seconds, precision, recall, f1 }
}

const CNN_DS: PaperMethod =
    row("cnn-ds", [[0.84, 0.06], [0.85, 0.07], [0.83, 0.07]], 0.84, [0.74, 0.07]);

/// Table 3. The spread of the slice-wise U-Net's Dice is printed as 0.7, which a Dice cannot have.
pub const TABLE_3: [PaperMethod; 4] = [
    row("patch-unet", [[0.74, 0.09], [0.73, 0.17], [0.76, 0.09]], 0.74, [9.4, 0.2]),
    row("slice-unet", [[0.80, 0.07], [0.78, 0.10], [0.84, 0.08]], 0.80, [12.3, 3.6]),
    row("pitchperfect", [[0.76, 0.11], [0.63, 0.15], [0.98, 0.01]], 0.77, [1412.34, 20.05]),
    CNN_DS,
];

/// Table 4: without and with deep supervision. The F1 without it does not follow from its precision and
/// recall, which give 0.789.
pub const TABLE_4: [PaperMethod; 2] =
    [row("cnn", [[0.79, 0.11], [0.81, 0.09], [0.77, 0.09]], 0.74, [0.72, 0.10]), CNN_DS];

/// The text's line on the 45 scans of the training set.
pub const TRAINING_SET: [PaperMethod; 1] = [PaperMethod {
    method: "cnn-ds",
    dice: [0.82, 0.06],
    seconds: [0.59, 0.02],
    precision: None,
    recall: None,
    f1: None,
}];

/// Table 5, by its names in the project's configuration.
pub const TABLE_5: [(&str, f64); 6] = [
    ("network_depth", 4.0),
    ("initial_lr", 0.005),
    ("dropout", 0.3),
    ("batch_size", 1.0),
    ("adam_beta1", 0.9),
    ("adam_beta2", 0.999),
];

/// Mean κ of the three pairs of experts, and of the method with each.
pub const KAPPA_OF_PAIRS: [Printed; 2] = [[0.88, 0.01], [0.83, 0.01]];

/// Disagreement of volumes between experts, and of the method with each (Figure 1).
pub const DISAGREEMENT: [Printed; 2] = [[0.09, 0.02], [0.08, 0.02]];
