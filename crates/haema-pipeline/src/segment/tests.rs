//! The whole way, with a method that calls bright voxels a bleed.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_io::nifti;
use haema_methods::MaskRule;
use haema_methods::cnn_ds::SegmentError as MethodError;
use haema_methods::frame::{Crop, Frame, Preprocessing};
use haema_sim::{HeadOptions, simulate_head};
use haema_volume::{Affine, CtVolume, Grid, Orientation, Towards, Vec3, Volume, add, scale};
use tempfile::TempDir;

use super::*;
use crate::json_schema;
use crate::report::{CheckOutcome, Compartment, Side, Verdict};
use crate::segmenter::Segmented;

/// Calls 60 to 90 HU a bleed, and counts how often it was asked.
#[derive(Debug, Default)]
struct Bright {
    calls: Cell<usize>,
}

impl Segmenter for Bright {
    fn method(&self) -> &'static str {
        "bright"
    }

    fn model_name(&self) -> &'static str {
        "none"
    }

    fn model_sha256(&self) -> &'static str {
        "00"
    }

    fn segment(
        &self,
        ct: &CtVolume,
        _: MaskRule,
        _: NonZeroUsize,
    ) -> Result<Segmented, MethodError> {
        self.calls.set(self.calls.get() + 1);
        let is_bright = |hu: &f32| (60.0..90.0).contains(hu);
        Ok(Segmented {
            probability: ct.voxels_hu().map(|hu| if is_bright(hu) { 0.75 } else { 0.125 }),
            score: 0.625,
            volume_grid_ml: 5.0,
            preprocess_ms: 1.0,
            network_ms: 2.0,
            restore_ms: 3.0,
        })
    }
}

/// Twelve slices of a ball of brain, 60 mm in radius, with a block of blood of 2 × 8 × 8 voxels of
/// 10 × 3 × 3 mm: 11.52 mL.
fn head() -> (Volume<f32>, Grid) {
    let size = [12, 48, 48];
    let hu = Volume::from_fn(size, |[z, y, x]| {
        let mm = [(z as f64 - 5.5) * 10.0, (y as f64 - 23.5) * 3.0, (x as f64 - 23.5) * 3.0];
        let is_bleed = (5..7).contains(&z) && (20..28).contains(&y) && (20..28).contains(&x);
        match mm.iter().map(|v| v * v).sum::<f64>().sqrt() {
            _ if is_bleed => 70.0,
            radius if radius < 60.0 => 30.0,
            _ => -1000.0,
        }
    });
    let lps =
        Affine::from_steps([3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 10.0], [-70.0, -70.0, 5.0]);
    (hu, Grid::from_affine(size, &lps).unwrap())
}

/// A place to work in: scans in `in`, results in `out`.
struct Bench {
    top: TempDir,
    segmenter: Bright,
    options: Options,
    log: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let options = Options {
            mask_rule: None,
            threads: NonZeroUsize::MIN,
            save_probability: false,
            series: None,
            force: false,
            save_paths: false,
            error_table: None,
        };
        let top = tempfile::tempdir().unwrap();
        fs::create_folder(&top.path().join("in")).unwrap();
        Self { top, segmenter: Bright::default(), options, log: Vec::new() }
    }

    fn out(&self) -> PathBuf {
        self.top.path().join("out")
    }

    fn scan(&self, name: &str, hu: &Volume<f32>) -> Source {
        let path = self.top.path().join("in").join(name);
        fs::create_folder(path.parent().unwrap()).unwrap();
        nifti::write(&path, hu, &head().1).unwrap();
        Source::Path(path)
    }

    fn run(&mut self, sources: &[Source]) -> Tally {
        let (out, log) = (self.out(), &mut self.log);
        log.clear();
        run(sources, &out, &self.segmenter, &self.options, &mut |event| {
            log.push(match event {
                Event::Started { number, .. } => format!("{number} started"),
                Event::Done { number, report } => format!("{number} done {}", report.case_id),
                Event::Skipped { number, report } => format!("{number} skipped {}", report.case_id),
                Event::Failed { number, cause, .. } => format!("{number} failed: {cause}"),
            });
        })
        .unwrap()
    }

    fn report(&self, case: &str) -> Report {
        let path = self.out().join(case).join("report.json");
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path, 1 << 20).unwrap()).unwrap();
        let failures = json_schema::failures(json_schema::REPORT, &json);
        assert_eq!(failures, Vec::<String>::new());
        serde_json::from_value(json).unwrap()
    }

    fn summary(&self) -> String {
        fs::read_to_string(&self.out().join(SUMMARY_FILE), 1 << 20).unwrap()
    }

    fn names(&self, case: &str) -> Vec<String> {
        let paths = fs::list_folder(&self.out().join(case)).unwrap();
        paths.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }
}

/// A method that knows the answer.
struct Known(Volume<u8>);

impl Segmenter for Known {
    fn method(&self) -> &'static str {
        "known"
    }

    fn model_name(&self) -> &'static str {
        "known"
    }

    fn model_sha256(&self) -> &'static str {
        "00"
    }

    fn segment(
        &self,
        _: &CtVolume,
        _: MaskRule,
        _: NonZeroUsize,
    ) -> Result<Segmented, MethodError> {
        Ok(Segmented {
            probability: self.0.map(|&voxel| f32::from(voxel)),
            score: 1.0,
            volume_grid_ml: 0.0,
            preprocess_ms: 0.0,
            network_ms: 0.0,
            restore_ms: 0.0,
        })
    }
}

#[test]
fn a_large_bleed_gets_all_the_answers_and_no_advice() {
    let mut bench = Bench::new();
    let options = HeadOptions { bleed_ml: 40.0, pixels: 200, ..HeadOptions::default() };
    let head = simulate_head(&options).unwrap();
    let path = bench.top.path().join("in/head.nii.gz");
    nifti::write(&path, head.ct.voxels_hu(), head.ct.grid()).unwrap();
    bench.options.threads = NonZeroUsize::new(2).unwrap();

    let known = Known(head.truth);
    run(&[Source::Path(path)], &bench.out(), &known, &bench.options, &mut |_| {}).unwrap();

    let report = bench.report("head");
    let clinical = &report.clinical;
    let score = clinical.ich_score_imaging.unwrap();
    assert!(score.is_30_ml && score.is_infratentorial == Some(false), "{score:?}");
    let bedside = clinical.bedside.as_ref().unwrap();
    let ratio = bedside.abc2.volumes.simple_ml / report.volume_ml;
    assert!((0.8..1.3).contains(&ratio), "{bedside:?}");
    assert!(bedside.abc2.volumes.weighted_ml < bedside.abc2.volumes.simple_ml);
    assert!(clinical.midline_shift.is_none(), "not trusted yet: {clinical:?}");
    assert_eq!(clinical.expansion_signs.len(), 8);
    let variation = clinical.expansion_signs.last().unwrap().measured.unwrap();
    assert!((2.0..12.0).contains(&variation), "{variation}");
    assert_eq!(clinical.volume_interval.lower_ml, None);
    assert!(clinical.volume_interval.unknown_because.is_some());
    assert_eq!(report.gate.verdict, Verdict::Usable, "{:?}", report.gate);
    let post_operative = report.gate.checks.last().unwrap();
    assert_eq!(
        (post_operative.id.as_str(), post_operative.outcome),
        ("post_operative", CheckOutcome::Fine)
    );
    let location = report.lesions[0].location.as_ref().unwrap();
    assert_eq!((location.side, location.compartment), (Side::Left, Compartment::Intraparenchymal));
    assert!(report.lesions[0].doubts.is_empty(), "{:?}", report.lesions[0].doubts);
    let page = fs::read_to_string(&bench.out().join("head/report.html"), 1 << 26).unwrap();
    for told in
        ["interval: unknown", "midline shift", "ICH score, imaging part", "signs of expansion"]
    {
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn a_scan_gets_a_folder_with_mask_pages_and_true_numbers() {
    let mut bench = Bench::new();
    let source = bench.scan("head.nii.gz", &head().0);

    let tally = bench.run(&[source]);

    assert_eq!(tally, Tally { done: 1, skipped: 0, failed: 0 });
    assert_eq!(bench.names("head"), ["mask.nii.gz", "mask.seg.nrrd", "report.html", "report.json"]);
    let report = bench.report("head");
    assert_eq!(report.volume_ml, 11.52);
    assert_eq!(report.volume_grid_ml, 5.0);
    assert!(report.hemorrhage.present);
    assert_eq!(report.hemorrhage.probability, 0.75);
    assert_eq!(report.hemorrhage.network_score, 0.625);
    assert_eq!(report.lesions.len(), 1);
    assert_eq!(report.lesions[0].mean_hu, 70.0);
    assert_eq!(report.lesions[0].centroid_lps_mm, [0.5, 0.5, 60.0]);
    assert_eq!(report.input.slice_pitches.len(), 1);
    assert_eq!(report.input.slice_pitches[0].gaps, 11);
    let (mask, grid) = nifti::read_label(&bench.out().join("head/mask.nii.gz")).unwrap();
    assert_eq!(mask.as_slice().iter().map(|&v| usize::from(v)).sum::<usize>(), 128);
    assert_eq!(grid.size(), [12, 48, 48]);
}

#[test]
fn the_soft_volume_counts_every_voxel_by_its_probability() {
    let mut bench = Bench::new();
    let source = bench.scan("head.nii.gz", &head().0);

    bench.run(&[source]);

    // 27,648 voxels of 0.09 mL.
    let expected_ml = 0.09 * (128.0 * 0.75 + (27_648.0 - 128.0) * 0.125);
    assert!((bench.report("head").volume_soft_ml - expected_ml).abs() < 1e-3);
}

#[test]
fn a_second_run_skips_what_is_done_and_force_does_it_again() {
    let mut bench = Bench::new();
    let source = bench.scan("head.nii.gz", &head().0);
    bench.run(std::slice::from_ref(&source));
    let summary = bench.summary();

    let again = bench.run(std::slice::from_ref(&source));
    assert_eq!(again, Tally { done: 0, skipped: 1, failed: 0 });
    assert_eq!((bench.segmenter.calls.get(), bench.summary()), (1, summary));
    assert_eq!(bench.log, ["1 started", "1 skipped head"]);

    bench.options.force = true;
    assert_eq!(bench.run(std::slice::from_ref(&source)).done, 1);
    assert_eq!(bench.segmenter.calls.get(), 2);
    assert_eq!(bench.names("").len(), 4, "one case, the summary and the worklist");
}

#[test]
fn other_settings_and_a_changed_scan_are_done_anew_in_the_same_folder() {
    let mut bench = Bench::new();
    let (hu, _) = head();
    let source = bench.scan("head.nii.gz", &hu);
    bench.run(std::slice::from_ref(&source));

    bench.options.mask_rule = Some(MaskRule::above(0.8));
    assert_eq!(bench.run(std::slice::from_ref(&source)).done, 1);
    let report = bench.report("head");
    assert_eq!((report.volume_ml, report.hemorrhage.present), (0.0, false));

    bench.scan("head.nii.gz", &hu.map(|&hu| if hu == 70.0 { 71.0 } else { hu }));
    assert_eq!(bench.run(std::slice::from_ref(&source)).done, 1);
    assert_eq!(bench.names("").len(), 4, "one case, the summary and the worklist");
}

#[test]
fn one_bad_scan_does_not_stop_the_others_and_has_its_row() {
    let mut bench = Bench::new();
    let (hu, _) = head();
    let sources = [
        bench.scan("a.nii.gz", &hu),
        bench.scan("mr.nii.gz", &hu.map(|hu| hu + 1024.0)),
        Source::Path(bench.top.path().join("in/none.nii.gz")),
        bench.scan("b.nii.gz", &hu),
    ];

    let tally = bench.run(&sources);

    assert_eq!(tally, Tally { done: 2, skipped: 0, failed: 2 });
    let summary = bench.summary();
    let rows: Vec<&str> = summary.lines().skip(1).collect();
    assert!(rows[0].starts_with("1,a,done,true,0.75,11.52,5,"), "{}", rows[0]);
    assert!(rows[1].starts_with("2,,failed,"), "{}", rows[1]);
    assert!(rows[1].contains("the scan is refused: 0.00 % of the voxels are air"), "{}", rows[1]);
    assert!(rows[2].contains(",cannot read: "), "{}", rows[2]);
    assert!(rows[3].starts_with("4,b,done,"), "{}", rows[3]);
}

#[test]
fn no_path_is_written_unless_it_is_asked_for() {
    let mut bench = Bench::new();
    let sources = [
        bench.scan("doe^john/head.nii.gz", &head().0),
        Source::Path(bench.top.path().join("in/doe^john/none.nii.gz")),
    ];

    bench.run(&sources);
    let told = [bench.summary(), format!("{:?}", bench.report("head"))];
    assert!(told.iter().all(|text| !text.contains("doe^john")), "{told:?}");

    bench.options.save_paths = true;
    bench.run(&sources);
    assert_eq!(bench.summary().matches("doe^john").count(), 2);
}

#[test]
fn scans_of_one_name_get_folders_of_their_own_and_keep_them() {
    let mut bench = Bench::new();
    let (hu, _) = head();
    let sources = [bench.scan("one/head.nii.gz", &hu), bench.scan("two/head.nii.gz", &hu)];

    bench.run(&sources);
    assert_eq!(bench.log, ["1 started", "1 done head", "2 started", "2 done head-2"]);

    bench.options.force = true;
    bench.run(&[sources[1].clone(), sources[0].clone()]);
    assert_eq!(bench.log, ["1 started", "1 done head-2", "2 started", "2 done head"]);
}

#[test]
fn the_summary_keeps_the_cases_of_earlier_runs() {
    let mut bench = Bench::new();
    let (hu, _) = head();
    let first = bench.scan("a.nii.gz", &hu);
    let second = bench.scan("b.nii.gz", &hu);
    bench.run(&[first]);

    bench.run(&[second]);

    let summary = bench.summary();
    let starts: Vec<&str> = summary.lines().skip(1).map(|row| &row[..7]).collect();
    assert_eq!(starts, ["1,b,don", ",a,done"]);
}

#[test]
fn the_same_scan_gives_the_same_files_but_for_the_times() {
    let (mut one, mut two) = (Bench::new(), Bench::new());
    for bench in [&mut one, &mut two] {
        bench.options.save_probability = true;
        let source = bench.scan("head.nii.gz", &head().0);
        bench.run(&[source]);
    }

    assert!(one.names("head").contains(&"probability.nii.gz".to_owned()));
    for name in one.names("head").iter().filter(|name| *name != "report.json") {
        let read = |bench: &Bench| fs::read(&bench.out().join("head").join(name), 1 << 24).unwrap();
        assert_eq!(read(&one), read(&two), "{name}");
    }
    assert_eq!(one.report("head").receipt.mask_sha256, two.report("head").receipt.mask_sha256);
}

/// Goes the network's way there and back without a network: bright voxels of its input are a bleed.
struct ThereAndBack;

impl Segmenter for ThereAndBack {
    fn method(&self) -> &'static str {
        "there-and-back"
    }

    fn model_name(&self) -> &'static str {
        "none"
    }

    fn model_sha256(&self) -> &'static str {
        "00"
    }

    fn segment(
        &self,
        ct: &CtVolume,
        rule: MaskRule,
        _: NonZeroUsize,
    ) -> Result<Segmented, MethodError> {
        let preprocessing = Preprocessing { crop: Crop::None, ..Preprocessing::recommended() };
        let frame = Frame::plan(ct, &preprocessing)?;
        let probability = frame.image(ct)?.map(|&bright| if bright < 0.9 { bright } else { 0.0 });
        let mask = rule.mask(&probability);
        let voxels = mask.as_slice().iter().filter(|&&voxel| voxel != 0).count();
        let volume_grid_ml = voxels as f64 * frame.voxel_volume_mm3() / 1000.0;
        let probability = frame.into_undo().restore(&probability)?;
        let nothing_ms = 0.0;
        Ok(Segmented {
            probability,
            score: 0.5,
            volume_grid_ml,
            preprocess_ms: nothing_ms,
            network_ms: nothing_ms,
            restore_ms: nothing_ms,
        })
    }
}

#[test]
fn a_scan_stored_in_any_of_48_orders_gives_the_same_mask_and_the_same_millilitres() {
    let bench = Bench::new();
    let (mut hu, grid) = head();
    // A bleed with no symmetry at all, so that no turn and no mirror image goes unseen.
    for [y, x] in [[12, 30], [12, 31], [13, 30], [14, 30], [14, 31], [14, 32], [15, 30]] {
        for z in 3..7 {
            hu[[z, y + z, x]] = 70.0;
        }
    }
    let canonical = Orientation::of(&grid).canonical_from_stored(&hu);
    let canonical_grid = Orientation::of(&grid).canonical_grid(&grid).unwrap();
    let stored: Vec<Orientation> = Orientation::all();
    let sources: Vec<Source> = stored
        .iter()
        .map(|orientation| {
            let path = bench.top.path().join("in").join(format!("{orientation}.nii"));
            let hu = orientation.stored_from_canonical(&canonical);
            let grid = stored_grid(*orientation, &canonical_grid);
            nifti::write(&path, &hu, &grid).unwrap();
            Source::Path(path)
        })
        .collect();

    let tally = run(&sources, &bench.out(), &ThereAndBack, &bench.options, &mut |_| {}).unwrap();

    assert_eq!(tally.done, 48);
    let first = canonical_mask(&bench, stored[0]);
    let report = bench.report(&stored[0].to_string());
    assert!(report.volume_ml > 5.0, "{}", report.volume_ml);
    for orientation in &stored {
        let other = bench.report(&orientation.to_string());
        assert_eq!(canonical_mask(&bench, *orientation), first, "{orientation}");
        assert_eq!(other.volume_ml, report.volume_ml, "{orientation}");
        assert_eq!(other.volume_soft_ml, report.volume_soft_ml, "{orientation}");
        assert_eq!(other.lesions.len(), report.lesions.len(), "{orientation}");
    }
}

/// The grid of a scan that is stored in this orientation, worked out from the meaning of its letters.
fn stored_grid(orientation: Orientation, canonical: &Grid) -> Grid {
    let affine = canonical.lps_from_index();
    let [depth, rows, columns] = canonical.size();
    let (mut origin, mut size) = (affine.column(3), [0; 3]);
    let steps: [Vec3; 3] = std::array::from_fn(|stored| {
        let (axis, is_against, len) = match orientation.towards()[stored] {
            Towards::Right => (0, false, columns),
            Towards::Left => (0, true, columns),
            Towards::Anterior => (1, false, rows),
            Towards::Posterior => (1, true, rows),
            Towards::Superior => (2, false, depth),
            Towards::Inferior => (2, true, depth),
        };
        // Sizes are `[z, y, x]`, axes are numbered from `x`.
        size[2 - stored] = len;
        if is_against {
            origin = add(origin, scale(affine.column(axis), (len - 1) as f64));
        }
        scale(affine.column(axis), if is_against { -1.0 } else { 1.0 })
    });
    let [x_step, y_step, z_step] = steps;
    Grid::from_affine(size, &Affine::from_steps(x_step, y_step, z_step, origin)).unwrap()
}

/// The mask of a case, in canonical order.
fn canonical_mask(bench: &Bench, orientation: Orientation) -> Volume<u8> {
    let path = bench.out().join(orientation.to_string()).join("mask.nii.gz");
    let (mask, grid) = nifti::read_label(&path).unwrap();
    assert_eq!(Orientation::of(&grid), orientation);
    orientation.canonical_from_stored(&mask)
}

#[test]
fn an_output_folder_that_is_a_file_ends_the_run() {
    let bench = Bench::new();
    fs::write_atomic(&bench.out(), b"a file").unwrap();
    let source = bench.scan("head.nii.gz", &head().0);

    let ended =
        run(&[source], &bench.out(), &bench.segmenter, &bench.options, &mut |_| {}).unwrap_err();

    assert!(ended.to_string().starts_with("the output folder cannot be used: "), "{ended}");
}
