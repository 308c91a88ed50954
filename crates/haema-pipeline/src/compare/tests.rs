//! Pairs with known growth.

use haema_methods::MaskRule;
use haema_methods::cnn_ds::SegmentError as MethodError;
use haema_sim::{HeadOptions, SimulatedHead, simulate_head};
use tempfile::TempDir;

use super::*;
use crate::json_schema;
use crate::segmenter::Segmented;

/// For pairs whose masks are given.
struct NoMethod;

impl Segmenter for NoMethod {
    fn method(&self) -> &'static str {
        "none"
    }

    fn model_name(&self) -> &'static str {
        "none"
    }

    fn model_sha256(&self) -> &'static str {
        ""
    }

    fn segment(
        &self,
        _: &CtVolume,
        _: MaskRule,
        _: NonZeroUsize,
    ) -> Result<Segmented, MethodError> {
        panic!("the masks are given")
    }
}

fn head(bleed_ml: f64, slices: usize) -> SimulatedHead {
    let options = HeadOptions { bleed_ml, pixels: 200, slices, ..HeadOptions::default() };
    simulate_head(&options).unwrap()
}

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn save(&self, name: &str, head: &SimulatedHead) {
        let grid = head.ct.grid();
        let hu = head.ct.voxels_hu().map(|&hu| hu as i16);
        nifti::write(&self.path(&format!("{name}.nii.gz")), &hu, grid).unwrap();
        nifti::write_mask(&self.path(&format!("{name}-mask.nii.gz")), &head.truth, grid).unwrap();
    }

    fn compare(&self, masks: [&str; 2]) -> Result<Comparison, CompareError> {
        let scans =
            ["before", "now"].map(|name| Source::Path(self.path(&format!("{name}.nii.gz"))));
        let options = Options {
            mask_rule: None,
            threads: NonZeroUsize::new(2).unwrap(),
            masks: masks.map(|name| Some(self.path(&format!("{name}-mask.nii.gz")))),
            hours: Some(4.0),
            any_patient: false,
        };
        run([&scans[0], &scans[1]], &self.path("out"), &NoMethod, &options)
    }
}

#[test]
fn known_growth_is_found_in_slices_of_another_thickness() {
    let bench = Bench::new();
    bench.save("before", &head(20.0, 32));
    bench.save("now", &head(32.0, 44));

    let found = bench.compare(["before", "now"]).unwrap();

    let growth = &found.growth;
    assert!((growth.change_ml - 12.0).abs() < 0.3, "{growth:?}");
    assert!((growth.change_ml_per_h.unwrap() - 3.0).abs() < 0.1);
    assert!(growth.smallest_real_change_ml < 8.0 && growth.probability_of_6_ml > 0.9, "{growth:?}");
    assert_eq!(found.same_patient, OnePatient::Unknown);
    assert_eq!(found.ledger.len(), 1);
    assert_eq!(found.ledger[0].fate, Fate::Grown);
    assert!(found.ledger[0].place.starts_with("left "), "{:?}", found.ledger[0]);
    assert!(found.registration.turn_deg < 0.5, "{:?}", found.registration);
    let json = fs::read(&bench.path("out/compare.json"), 1 << 24).unwrap();
    assert_eq!(serde_json::from_slice::<Comparison>(&json).unwrap().ledger, found.ledger);
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json_schema::failures(json_schema::COMPARE, &value), Vec::<String>::new());
    let page = fs::read(&bench.path("out/compare.html"), 1 << 26).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("The bleed has grown") && page.contains("<b class=\"met\">met</b>"));
    // Blood that came, less blood that went, is the growth as the baseline's slices show it.
    let change = nifti::read(&bench.path("out/change.nii.gz")).unwrap().ct;
    let voxel_ml = change.grid().voxel_volume_mm3(0) / 1000.0;
    let net_ml: f64 =
        change.voxels_hu().as_slice().iter().map(|&sign| f64::from(sign) * voxel_ml).sum();
    assert!((net_ml - 12.0).abs() < 1.5, "{net_ml}");
}

#[test]
fn a_bleed_that_stayed_is_within_the_error_of_measurement() {
    let bench = Bench::new();
    bench.save("before", &head(20.0, 32));
    bench.save("now", &head(20.0, 44));

    let found = bench.compare(["before", "now"]).unwrap();

    assert_eq!(found.ledger[0].fate, Fate::Stable);
    assert!(found.growth.change_ml.abs() < 0.3, "{:?}", found.growth);
    assert!(found.growth.probability_of_6_ml < 0.05);
    assert!(found.growth.definitions.iter().all(|definition| definition.is_met != Some(true)));
}

#[test]
fn a_mask_of_another_scan_is_refused_and_named() {
    let bench = Bench::new();
    bench.save("before", &head(20.0, 32));
    bench.save("now", &head(20.0, 44));

    let error = bench.compare(["before", "before"]).unwrap_err();

    assert_eq!(
        error.to_string(),
        "the mask of the follow-up scan has [32, 200, 200] [z, y, x] voxels: wanted [44, 200, 200], as \
         its scan"
    );
    assert!(!bench.path("out").exists());
}
