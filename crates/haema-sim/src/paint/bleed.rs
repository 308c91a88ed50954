//! Bleeds, and what looks like one.

use rand::{Rng as _, RngCore};

use super::Canvas;
use super::head_map::HeadMap;
use crate::smooth_noise::SmoothNoise;

/// Where a bleed lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the brain: an irregular ellipsoid, often with a rim of oedema.
    Intraparenchymal,
    /// Between bone and dura: a lens.
    Epidural,
    /// Under the dura: a crescent along the skull.
    Subdural,
    /// In sulci and cisterns.
    Subarachnoid,
    /// In a ventricle.
    Intraventricular,
}

/// What looks like a bleed and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookAlike {
    /// A dense grain deep in the brain: choroid, pineal gland, basal ganglia.
    Calcification,
    /// Bone mixed into the rim of the brain.
    ThickRim,
    /// A slow drift of HU over the brain, as beam hardening leaves it.
    Shading,
}

/// A bleed, drawn but not yet painted.
#[derive(Debug, Clone)]
pub struct Bleed {
    shape: Shape,
    centre_mm: [f32; 3],
    base_hu: f32,
    texture_hu: f32,
    grain_hu: f32,
    /// Width of the rim of oedema, mm, and how much darker it is, HU.
    oedema: (f32, f32),
    coarse: SmoothNoise,
    fine: SmoothNoise,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Half-axes, mm; turned about z by the angle with this cosine and sine.
    Blob { radii_mm: [f32; 3], turn: [f32; 2] },
    /// Thickness at the middle and radius along the skull, mm; how the thickness falls towards the
    /// rim.
    Layer { thickness_mm: f32, radius_mm: f32, power: i32 },
    /// Where CSF was, within this distance.
    Csf { radius_mm: f32, deeper_than_mm: f32 },
}

/// How much of a voxel something fills, and what it adds there.
struct Share {
    fraction: f32,
    oedema: f32,
}

/// CSF reads as this or less, tissue as the other or more; between them a voxel is both.
const CSF_HU: f32 = 12.0;
const TISSUE_HU: f32 = 28.0;
/// Ventricles lie at least so deep.
const VENTRICLE_DEPTH_MM: f32 = 20.0;

impl Bleed {
    /// Draws a bleed of a kind for a head: its place, form, size (spread evenly over the logarithm),
    /// density and texture. `None` where the head has no place for it.
    pub fn draw(
        kind: Kind,
        head: &HeadMap,
        image_hu: &[f32],
        rng: &mut impl RngCore,
    ) -> Option<Self> {
        let (shape, least, most) = Shape::draw(kind, rng);
        let depth_mm = head.depth_mm();
        let is_place = |i: usize| {
            let is_csf = image_hu[i] < CSF_HU + 4.0;
            (least..=most).contains(&depth_mm[i]) && (kind != Kind::Intraventricular || is_csf)
        };
        let centre = find_place(head, is_place, rng)?;
        let has_oedema = kind == Kind::Intraparenchymal && rng.random::<f32>() < 0.6;
        let oedema = if has_oedema {
            (rng.random_range(2.0..10.0), rng.random_range(4.0..12.0))
        } else {
            (0.0, 0.0)
        };
        let base_hu = match kind {
            Kind::Subarachnoid => rng.random_range(46.0..66.0),
            Kind::Subdural => rng.random_range(44.0..76.0),
            _ => rng.random_range(50.0..82.0),
        };
        Some(Self {
            shape,
            centre_mm: head.point_mm(centre),
            base_hu,
            texture_hu: rng.random_range(0.0..9.0),
            grain_hu: rng.random_range(1.0..4.0),
            oedema,
            coarse: SmoothNoise::new(rng.random_range(9.0..18.0), rng),
            fine: SmoothNoise::new(rng.random_range(3.5..7.0), rng),
        })
    }

    /// Paints it: blood takes its share of each voxel, the rest stays.
    ///
    /// # Panics
    ///
    /// Where the canvas does not fill the head's grid.
    pub fn paint(&self, head: &HeadMap, canvas: &mut Canvas<'_>, rng: &mut impl RngCore) {
        assert_eq!(canvas.image_hu.len(), head.depth_mm().len(), "paint: image does not fill head");
        assert_eq!(canvas.target.len(), head.depth_mm().len(), "paint: target does not fill head");
        let reach_mm = self.shape.reach_mm() + self.oedema.0;
        for &i in head.inside() {
            let i = i as usize;
            let point = head.point_mm(i);
            let way = sub(point, self.centre_mm);
            if way.iter().any(|&d| d.abs() > reach_mm) {
                continue;
            }
            let old_hu = canvas.image_hu[i];
            let share = self.share(way, point, (head.depth_mm()[i], old_hu), head.spacing_mm());
            if share.oedema > 0.0 {
                let darker = (old_hu - share.oedema * self.oedema.1).max(CSF_HU.min(old_hu));
                canvas.image_hu[i] = darker;
            }
            if share.fraction > 0.0 {
                let texture = self.texture_hu * self.fine.at(point);
                let grain = self.grain_hu * (rng.random::<f32>() + rng.random::<f32>() - 1.0) * 2.4;
                let blood_hu = self.base_hu + texture + grain;
                let image = &mut canvas.image_hu[i];
                *image = (1.0 - share.fraction) * *image + share.fraction * blood_hu;
                let target = &mut canvas.target[i];
                *target = 1.0 - (1.0 - *target) * (1.0 - share.fraction);
            }
        }
    }

    fn share(
        &self,
        way: [f32; 3],
        point: [f32; 3],
        (depth_mm, old_hu): (f32, f32),
        spacing_mm: [f32; 3],
    ) -> Share {
        // A border as wide as a voxel of the plane: what partial volume makes of a sharp one.
        let voxel_mm = spacing_mm[1].max(spacing_mm[2]);
        let ragged = 0.6 * self.coarse.at(point) + 0.35 * self.fine.at(point);
        let ramp = |inner_mm: f32| (inner_mm / voxel_mm + 0.5).clamp(0.0, 1.0);
        match self.shape {
            Shape::Blob { radii_mm, turn: [cos, sin] } => {
                let turned = [way[0], cos * way[1] + sin * way[2], cos * way[2] - sin * way[1]];
                let of_axis = |axis: usize| (turned[axis] / radii_mm[axis]).powi(2);
                let radius = (of_axis(0) + of_axis(1) + of_axis(2)).sqrt();
                let mean_mm = f32::midpoint(radii_mm[1], radii_mm[2]);
                let inner_mm = (1.0 - radius + 0.45 * ragged) * mean_mm;
                let oedema = if self.oedema.0 > 0.0 {
                    (1.0 + inner_mm / self.oedema.0).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                Share { fraction: ramp(inner_mm), oedema }
            }
            Shape::Layer { thickness_mm, radius_mm, power } => {
                let radius = length(way) / radius_mm;
                let thickness = thickness_mm * (1.0 - radius.powi(power)) * (1.0 + 0.35 * ragged);
                let fraction = if radius < 1.0 { ramp(thickness - depth_mm) } else { 0.0 };
                Share { fraction, oedema: 0.0 }
            }
            Shape::Csf { radius_mm, deeper_than_mm } => {
                let radius = length(way) / radius_mm;
                let near = (2.5 * (1.0 - radius + 0.5 * ragged)).clamp(0.0, 1.0);
                let csf = ((TISSUE_HU - old_hu) / (TISSUE_HU - CSF_HU)).clamp(0.0, 1.0);
                let is_deep = depth_mm >= deeper_than_mm;
                let fraction = if is_deep { near * csf } else { 0.0 };
                Share { fraction: if fraction < 0.1 { 0.0 } else { fraction }, oedema: 0.0 }
            }
        }
    }
}

impl Shape {
    /// A form, and how deep its centre may lie.
    fn draw(kind: Kind, rng: &mut impl RngCore) -> (Self, f32, f32) {
        match kind {
            Kind::Intraparenchymal => {
                let ml = log_uniform(0.2, 70.0, rng);
                // A ball of V mL has a radius of 6.2 V^(1/3) mm.
                let ball_mm = 6.204 * ml.cbrt();
                let ratio: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.65..1.5));
                let even = (ratio[0] * ratio[1] * ratio[2]).cbrt();
                let radii_mm = ratio.map(|r| ball_mm * r / even);
                let turn = rng.random_range(0.0..std::f32::consts::PI).sin_cos();
                (Self::Blob { radii_mm, turn: [turn.1, turn.0] }, 4.0, f32::MAX)
            }
            Kind::Epidural => {
                let radius_mm = log_uniform(9.0, 48.0, rng);
                let thickness_mm = (radius_mm * rng.random_range(0.22..0.75_f32)).clamp(2.5, 32.0);
                (Self::Layer { thickness_mm, radius_mm, power: 2 }, 0.0, 4.0)
            }
            Kind::Subdural => {
                let radius_mm = rng.random_range(25.0..85.0);
                let thickness_mm = log_uniform(2.5, 14.0, rng);
                (Self::Layer { thickness_mm, radius_mm, power: 4 }, 0.0, 4.0)
            }
            Kind::Subarachnoid => {
                let radius_mm = rng.random_range(10.0..45.0);
                (Self::Csf { radius_mm, deeper_than_mm: 0.0 }, 2.0, 40.0)
            }
            Kind::Intraventricular => {
                let radius_mm = rng.random_range(8.0..30.0);
                let deeper_than_mm = VENTRICLE_DEPTH_MM * 0.8;
                (Self::Csf { radius_mm, deeper_than_mm }, VENTRICLE_DEPTH_MM, f32::MAX)
            }
        }
    }

    /// Nothing is painted farther from the centre.
    fn reach_mm(self) -> f32 {
        match self {
            // Ragged borders bulge by less than half the mean half-axis.
            Self::Blob { radii_mm, .. } => 1.6 * radii_mm.into_iter().fold(0.0, f32::max),
            Self::Layer { radius_mm, .. } => radius_mm,
            Self::Csf { radius_mm, .. } => 1.5 * radius_mm,
        }
    }
}

impl LookAlike {
    /// Paints it; the target stays.
    pub fn paint(self, head: &HeadMap, image_hu: &mut [f32], rng: &mut impl RngCore) {
        match self {
            Self::Calcification => paint_calcification(head, image_hu, rng),
            Self::ThickRim => paint_rim(head, image_hu, rng),
            Self::Shading => {
                let drift_hu = rng.random_range(1.0..6.0_f32);
                let noise = SmoothNoise::new(rng.random_range(25.0..60.0), rng);
                for &i in head.inside() {
                    let hu = &mut image_hu[i as usize];
                    *hu = (*hu + drift_hu * noise.at(head.point_mm(i as usize))).max(0.0);
                }
            }
        }
    }
}

fn paint_calcification(head: &HeadMap, image_hu: &mut [f32], rng: &mut impl RngCore) {
    let depth_mm = head.depth_mm();
    let Some(centre) = find_place(head, |i| depth_mm[i] > 15.0, rng) else { return };
    let centre = head.point_mm(centre);
    let radius_mm = rng.random_range(1.0..4.0_f32);
    let dense_hu = rng.random_range(70.0..180.0_f32);
    for &i in head.inside() {
        let i = i as usize;
        let away_mm = length(sub(head.point_mm(i), centre));
        let share = (radius_mm - away_mm + 0.7).clamp(0.0, 1.0);
        image_hu[i] += share * (dense_hu - image_hu[i]).max(0.0);
    }
}

fn paint_rim(head: &HeadMap, image_hu: &mut [f32], rng: &mut impl RngCore) {
    let depth_mm = head.depth_mm();
    let Some(centre) = find_place(head, |i| depth_mm[i] < 4.0, rng) else { return };
    let centre = head.point_mm(centre);
    let radius_mm = rng.random_range(10.0..40.0_f32);
    let width_mm = rng.random_range(0.8..2.5_f32);
    let added_hu = rng.random_range(10.0..50.0_f32);
    for &i in head.inside() {
        let i = i as usize;
        let near = 1.0 - length(sub(head.point_mm(i), centre)) / radius_mm;
        let share = (1.0 - depth_mm[i] / (2.0 * width_mm)).max(0.0) * near.clamp(0.0, 1.0);
        image_hu[i] += share * added_hu;
    }
}

/// A random voxel inside the skull that will do; `None` after enough tries.
fn find_place(
    head: &HeadMap,
    will_do: impl Fn(usize) -> bool,
    rng: &mut impl RngCore,
) -> Option<usize> {
    let inside = head.inside();
    (0..400)
        .map(|_| inside[rng.random_range(0..inside.len())] as usize)
        .find(|&offset| will_do(offset))
}

fn log_uniform(low: f32, high: f32, rng: &mut impl RngCore) -> f32 {
    rng.random_range(low.ln()..high.ln()).exp()
}

fn sub(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

fn length(a: [f32; 3]) -> f32 {
    a.iter().map(|v| v * v).sum::<f32>().sqrt()
}
