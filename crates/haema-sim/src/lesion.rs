//! Bleeds: where they are, how large, and what they look like.

pub(crate) mod blood;
pub(crate) mod level;
pub(crate) mod place;

use rand::{Rng as _, RngCore};

use crate::anatomy::Tissue;

/// Where a bleed lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    /// In basal ganglia or thalamus.
    Deep,
    /// In the white matter of a lobe.
    Lobar,
    /// In the cerebellum.
    Cerebellar,
    /// In the brainstem.
    Brainstem,
    /// In the ventricles.
    Intraventricular,
    /// In sulci and cisterns.
    Subarachnoid,
    /// Under the dura, along the skull: a crescent.
    Subdural,
    /// Between bone and dura: a lens.
    Epidural,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Deep,
        Self::Lobar,
        Self::Cerebellar,
        Self::Brainstem,
        Self::Intraventricular,
        Self::Subarachnoid,
        Self::Subdural,
        Self::Epidural,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deep => "deep",
            Self::Lobar => "lobar",
            Self::Cerebellar => "cerebellar",
            Self::Brainstem => "brainstem",
            Self::Intraventricular => "intraventricular",
            Self::Subarachnoid => "subarachnoid",
            Self::Subdural => "subdural",
            Self::Epidural => "epidural",
        }
    }

    /// Its value in a map of subtypes: those of the columns of CT-ICH's table, from 1. All bleeds
    /// within brain tissue are intraparenchymal.
    pub fn subtype(self) -> u8 {
        match self {
            Self::Intraventricular => 1,
            Self::Deep | Self::Lobar | Self::Cerebellar | Self::Brainstem => 2,
            Self::Subarachnoid => 3,
            Self::Epidural => 4,
            Self::Subdural => 5,
        }
    }

    /// What holds it: brain tissue, or one of the spaces in and around the brain.
    pub fn compartment(self) -> &'static str {
        match self {
            Self::Deep | Self::Lobar | Self::Cerebellar | Self::Brainstem => "intraparenchymal",
            Self::Intraventricular | Self::Subarachnoid | Self::Subdural | Self::Epidural => {
                self.name()
            }
        }
    }

    /// Whether it takes room of its own, rather than fill a space that is there.
    pub(crate) fn pushes(self) -> bool {
        !matches!(self, Self::Intraventricular | Self::Subarachnoid)
    }

    /// Smallest and largest volume drawn, mL.
    fn range_ml(self) -> [f64; 2] {
        match self {
            Self::Deep => [0.1, 100.0],
            Self::Lobar => [0.1, 150.0],
            Self::Cerebellar => [0.1, 40.0],
            Self::Brainstem => [0.1, 10.0],
            Self::Intraventricular => [0.2, 50.0],
            Self::Subarachnoid => [0.2, 40.0],
            Self::Subdural | Self::Epidural => [0.3, 150.0],
        }
    }
}

/// The part of the brain in which a bleed began, as the anatomy has it: that of the point it grew from.
///
/// Label maps know no lobes: of a lobar bleed it is known that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named by its name")]
pub enum Place {
    BasalGanglia,
    Thalamus,
    Lobe,
    Brainstem,
    Cerebellum,
    Ventricle,
}

impl Place {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::BasalGanglia => "basal ganglia",
            Self::Thalamus => "thalamus",
            Self::Lobe => "lobe",
            Self::Brainstem => "brainstem",
            Self::Cerebellum => "cerebellum",
            Self::Ventricle => "ventricle",
        }
    }

    /// The place of a tissue in which bleeds are begun.
    pub(crate) fn of(tissue: Tissue) -> Option<Self> {
        Some(match tissue {
            Tissue::BasalGanglia => Self::BasalGanglia,
            Tissue::Thalamus => Self::Thalamus,
            Tissue::WhiteMatter => Self::Lobe,
            Tissue::Brainstem => Self::Brainstem,
            Tissue::CerebellarWhiteMatter => Self::Cerebellum,
            _ => return None,
        })
    }
}

/// A bleed to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Where.
    pub site: Site,
    /// How large. Less is made where there is no room.
    pub volume_ml: f64,
    /// How large it was when it was first drawn: its place and form are those of this size.
    pub first_ml: f64,
}

/// A bleed that was made, and its exact volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesion {
    /// Its place among the bleeds that were wanted.
    pub number: usize,
    /// Where it is.
    pub site: Site,
    /// Where it began; none of bleeds in the spaces around the brain.
    pub place: Option<Place>,
    /// Share of its volume to the left of the middle of the anatomy, before it pushed: 0 to 1.
    pub left_share: f64,
    /// Its volume: the integral of its share over the head.
    pub volume_ml: f64,
    /// What of it lies in the scanned slices.
    pub scanned_ml: f64,
    /// Centre of its volume in the scan's frame, LPS.
    pub centre_lps_mm: [f64; 3],
    /// Mean density of its blood before noise and artefacts.
    pub mean_hu: f64,
    /// How its blood is arranged.
    pub texture: &'static str,
}

/// Less than this share on the other side leaves a bleed on its side.
const ONE_SIDED: f64 = 0.7;

impl Lesion {
    /// The patient's side that holds 70 % of it: `left`, `right`, or `both` where neither does.
    pub fn side(&self) -> &'static str {
        match self.left_share {
            left if left >= ONE_SIDED => "left",
            left if left <= 1.0 - ONE_SIDED => "right",
            _ => "both",
        }
    }
}

/// How often each site is the first bleed of a head. Deep and lobar bleeds lead among strokes, those
/// outside the brain after trauma; a training set needs both.
const FIRST: [(Site, f32); 8] = [
    (Site::Deep, 0.20),
    (Site::Lobar, 0.17),
    (Site::Cerebellar, 0.05),
    (Site::Brainstem, 0.03),
    (Site::Intraventricular, 0.08),
    (Site::Subarachnoid, 0.13),
    (Site::Subdural, 0.18),
    (Site::Epidural, 0.16),
];

/// Draws the bleeds of a head: one at least, often with others that come with it.
pub(crate) fn draw(rng: &mut impl RngCore) -> Vec<Wanted> {
    let mut at = rng.random::<f32>();
    let first = FIRST.iter().find(|(_, share)| {
        at -= share;
        at < 0.0
    });
    let first = Wanted::draw(first.map_or(Site::Deep, |first| first.0), 1.0, rng);
    let mut wanted = vec![first];
    let mut join = |probability: f32, site: Site, at_most: f64, rng: &mut _| {
        if chance(probability, rng) {
            wanted.push(Wanted::draw(site, at_most, rng));
        }
    };
    match first.site {
        Site::Deep | Site::Cerebellar if first.volume_ml > 5.0 => {
            join(0.4, Site::Intraventricular, 0.5, rng);
        }
        Site::Lobar => {
            join(0.2, Site::Subarachnoid, 0.3, rng);
            join(0.15, Site::Subdural, 0.3, rng);
        }
        Site::Subdural | Site::Epidural => {
            join(0.3, Site::Lobar, 0.1, rng);
            join(0.3, Site::Subarachnoid, 0.3, rng);
            join(0.12, Site::Subdural, 0.3, rng);
        }
        Site::Subarachnoid => {
            join(0.3, Site::Intraventricular, 0.2, rng);
            join(0.2, Site::Lobar, 0.1, rng);
        }
        _ => {}
    }
    wanted
}

/// Sizes at random numbers to this power along the logarithm: 1 would be even. Among patients half of the
/// bleeds are larger than 6 to 20 mL; evenly spread, half of ours would be smaller than 4 mL.
const LARGER: f64 = 0.7;

pub(crate) fn chance(probability: f32, rng: &mut impl RngCore) -> bool {
    rng.random::<f32>() < probability
}

impl Wanted {
    /// A size spread over the logarithm, up to a share of the site's largest: all sizes come, those
    /// of tens of millilitres oftenest.
    pub(crate) fn draw(site: Site, share: f64, rng: &mut impl RngCore) -> Self {
        let [least, most] = site.range_ml();
        let most = (share * most).max(2.0 * least);
        let at = rng.random::<f64>().powf(LARGER);
        let volume_ml = (least.ln() + at * (most / least).ln()).exp();
        Self::new(site, volume_ml)
    }

    /// A bleed of this size.
    pub fn new(site: Site, volume_ml: f64) -> Self {
        Self { site, volume_ml, first_ml: volume_ml }
    }

    /// Grown or shrunk; nobody is scanned with more than the largest of its site.
    fn resized(self, factor: f64) -> Self {
        let [_, most] = self.site.range_ml();
        let volume_ml = (factor * self.volume_ml).min(most.max(self.volume_ml));
        Self { volume_ml, ..self }
    }
}

/// What has become of bleeds at a second scan: most stay as they are, to within a twentieth, some grow
/// by a third or more, some shrink or are gone, and now and then there is a new one.
///
/// # Source
///
/// About a third of acute bleeds in the brain grow by a third or by 6 mL (methods.md E.2).
pub(crate) fn follow_up(first: &[Wanted], rng: &mut impl RngCore) -> Vec<Wanted> {
    let mut later: Vec<Wanted> = first
        .iter()
        .map(|bleed| match rng.random::<f32>() {
            v if v < 0.35 => bleed.resized(rng.random_range(1.3..2.6)),
            v if v < 0.75 => bleed.resized(rng.random_range(0.95..1.05)),
            v if v < 0.9 => bleed.resized(rng.random_range(0.3..0.8)),
            _ => bleed.resized(0.0),
        })
        .collect();
    if later.is_empty() || chance(0.12, rng) {
        let site = Site::ALL[rng.random_range(0..Site::ALL.len())];
        later.push(Wanted::draw(site, 0.2, rng));
    }
    later
}
