//! How fast, how much memory: the network alone, a step of training, and the whole way from files to
//! results.

mod network;
mod step;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::fs;
use haema_methods::cnn_ds::Model;
use haema_methods::frame::{Frame, Planes, PreprocessError, Preprocessing};
use haema_methods::unet::UNet;
use haema_nn::{InferencePrecision, Init, NetSpec, Parameters, SpecError, WeightsError};
use haema_sim::builtin_head;
use haema_volume::{CtVolume, Volume};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::input::Source;
use crate::report::Report;
use crate::segment::{self, Event, Options, SegmentError};

pub use network::{LayerTime, Layers, Network};
pub use step::{StepBlock, StepParts, TrainingStep};

/// Name and version of the form of [`BenchReport`].
pub const SCHEMA: &str = "haema.bench/1";

/// Why nothing was timed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The scan does not come to the network's grid.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The network does not take the size.
    #[error("the network does not take this size")]
    Size(#[from] SpecError),
    /// The output folder cannot be used.
    #[error(transparent)]
    Output(#[from] SegmentError),
    /// The scan cannot be segmented.
    #[error("the scan cannot be segmented: {reason}")]
    Case {
        /// Why.
        reason: String,
    },
    /// Two runs gave two answers: a time of either is worth nothing.
    #[error("two runs differ ({first} and {second}): nothing is timed")]
    Differs {
        /// Checksum of the first mask.
        first: String,
        /// Of a later one.
        second: String,
    },
    /// The tensors cannot be written.
    #[error("the tensors cannot be written")]
    Tensors(#[from] WeightsError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] fs::FsError),
}

/// Several measurements of the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (n, last) = (values.len(), values.len() - 1);
        Self {
            median: f64::midpoint(values[last / 2], values[n / 2]),
            min: values[0],
            max: values[last],
        }
    }
}

/// Milliseconds of the parts of the whole way, as [`crate::report::Timing`] has them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// From files to Hounsfield units.
    pub read: Spread,
    /// From Hounsfield units to the network's input.
    pub preprocess: Spread,
    /// The network: twice, once of the mirror image.
    pub network: Spread,
    /// From the network's output to the scan's own grid.
    pub restore: Spread,
    /// Threshold, connected parts, volumes.
    pub measure: Spread,
    /// Writing masks, page and report.
    pub write: Spread,
    /// All of it, by the clock outside.
    pub total: Spread,
}

/// What `haema bench` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of haema.
    pub version: String,
    /// The method.
    pub method: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// How the network keeps its tensors.
    pub precision: InferencePrecision,
    /// Threads.
    pub threads: usize,
    /// Timed runs; one more went before them to warm up.
    pub repeat: usize,
    /// The network's grid `[z, y, x]`.
    pub size: [usize; 3],
    /// One pass of the network, forward, from its input to probabilities; none where a step of
    /// training was timed.
    pub network_ms: Option<Spread>,
    /// A step of training: forward, Dice loss, backward, Adam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<Spread>,
    /// The whole way, median; none where only the network was timed.
    pub total_ms: Option<f64>,
    /// The whole way part by part.
    pub parts_ms: Option<Parts>,
    /// Instruction set of the kernels.
    pub instructions: String,
    /// The last pass, block by block, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Layers>,
    /// The step of training part by part, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_parts: Option<StepParts>,
    /// What the network alone holds while it runs or learns, MB of 10⁶ bytes.
    pub network_mb: f64,
    /// Peak of the memory that the process held; none where the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

/// Writes the built-in head as a DICOM series, such as a scanner sends.
///
/// # Errors
///
/// [`BenchError::File`].
pub fn sample_series(folder: &Path) -> Result<Source, BenchError> {
    write_series(folder, &builtin_head(0).ct, &SeriesOptions::default())?;
    Ok(Source::Path(folder.to_owned()))
}

/// A network with its weights and how a scan becomes its input.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name, such as `cnn-ds`.
    pub method: String,
    /// The network.
    pub spec: NetSpec,
    /// Its weights.
    pub params: Parameters,
    preprocessing: Preprocessing,
}

impl Subject {
    /// The network of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            method: model.method().name().to_owned(),
            spec: model.spec().clone(),
            params: model.parameters().clone(),
            preprocessing: model.preprocessing().clone(),
        }
    }

    /// A U-Net by its name, on the grid that it is trained on. No weights come with it: they are drawn,
    /// always the same ones. None where the name is unknown.
    pub fn drawn(name: &str) -> Option<Self> {
        let unet = UNet::named(name)?;
        let spec = unet.spec();
        let params = Parameters::init(&spec, Init::HeNormal, 0.0, 1);
        let preprocessing = on_grid(&Preprocessing::recommended(), unet.training_size());
        Some(Self { method: name.to_owned(), spec, params, preprocessing })
    }

    /// A scan on the network's grid, or on one of `size` `[z, y, x]`, whatever it was made for.
    ///
    /// # Errors
    ///
    /// [`BenchError::Preprocess`].
    pub fn input(
        &self,
        ct: &CtVolume,
        size: Option<[usize; 3]>,
    ) -> Result<Volume<f32>, BenchError> {
        let resized = size.map(|size| on_grid(&self.preprocessing, size));
        let settings = resized.as_ref().unwrap_or(&self.preprocessing);
        Ok(Frame::plan(ct, settings)?.image(ct)?)
    }
}

fn on_grid(settings: &Preprocessing, [count, rows, columns]: [usize; 3]) -> Preprocessing {
    let (in_plane, planes) = ([rows, columns], Planes::Fixed { count });
    Preprocessing { in_plane, planes, ..settings.clone() }
}

/// Times the whole way from a source to results in `out`, after one run to warm up. All runs must
/// agree on the mask.
///
/// # Errors
///
/// [`BenchError`] where the scan cannot be segmented, or runs differ.
pub fn whole(
    source: &Source,
    out: &Path,
    model: &Model,
    threads: NonZeroUsize,
    repeat: NonZeroUsize,
) -> Result<Parts, BenchError> {
    let (first, _) = segment_once(source, out, model, threads)?;
    let mut runs = Vec::new();
    for _ in 0..repeat.get() {
        let (report, ms) = segment_once(source, out, model, threads)?;
        let [first, second] = [&first, &report].map(|report| report.receipt.mask_sha256.clone());
        if first != second {
            return Err(BenchError::Differs { first, second });
        }
        runs.push((report.timing_ms, ms));
    }
    let part = |of: fn(&crate::report::Timing) -> f64| Spread::of(runs.iter().map(|(t, _)| of(t)));
    Ok(Parts {
        read: part(|timing| timing.read),
        preprocess: part(|timing| timing.preprocess),
        network: part(|timing| timing.network),
        restore: part(|timing| timing.restore),
        measure: part(|timing| timing.measure),
        write: part(|timing| timing.write),
        total: Spread::of(runs.iter().map(|&(_, ms)| ms)),
    })
}

/// A run, and its milliseconds by the clock.
fn segment_once(
    source: &Source,
    out: &Path,
    model: &Model,
    threads: NonZeroUsize,
) -> Result<(Report, f64), BenchError> {
    let options = Options {
        mask_rule: None,
        threads,
        save_probability: false,
        series: None,
        force: true,
        save_paths: false,
        error_table: None,
    };
    let mut ended = Err(BenchError::Case { reason: "it was passed over".to_owned() });
    let start = Instant::now();
    segment::run(std::slice::from_ref(source), out, model, &options, &mut |event| match event {
        Event::Done { report, .. } => ended = Ok(Report::clone(report)),
        Event::Failed { cause, .. } => ended = Err(BenchError::Case { reason: cause.reason() }),
        Event::Started { .. } | Event::Skipped { .. } => {}
    })?;
    let ms = ms_since(start);
    Ok((ended?, ms))
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// The most memory that this process has held so far, MB of 10⁶ bytes; on Linux only.
pub fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"), 1 << 16).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use haema_nn::{TrainingPrecision, tensors};
    use haema_sim::{HeadOptions, simulate_head};

    use super::*;

    const ONE: (NonZeroUsize, InferencePrecision) = (NonZeroUsize::MIN, InferencePrecision::Fp32);

    fn small_head() -> CtVolume {
        let options = HeadOptions { pixels: 96, slices: 16, ..HeadOptions::default() };
        simulate_head(&options).unwrap().ct
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 10.0]);

        assert_eq!(spread, Spread { median: 3.5, min: 1.0, max: 10.0 });
        assert_eq!(Spread::of([2.0]), Spread { median: 2.0, min: 2.0, max: 2.0 });
    }

    #[test]
    fn the_network_is_timed_on_the_grid_asked_for_and_gives_what_it_was_given() {
        let subject = Subject::of(&Model::built_in());

        let input = subject.input(&small_head(), Some([16, 32, 40])).unwrap();
        let mut network = Network::new(subject, input.clone(), ONE).unwrap();
        let spread = network.time(NonZeroUsize::MIN);

        assert_eq!(network.size(), [16, 32, 40]);
        assert!(0.0 < spread.min && spread.min <= spread.median && spread.median <= spread.max);
        let tensors = tensors::from_bytes(&network.tensors().unwrap()).unwrap();
        assert_eq!(tensors[0].values, input.as_slice());
        assert!(tensors[0].values.iter().any(|&v| v > 0.2), "the head is in it");
        assert_eq!(
            (tensors[1].name.as_str(), &tensors[1].shape),
            ("probability", &vec![1, 1, 16, 32, 40])
        );
    }

    #[test]
    fn a_size_that_the_network_does_not_take_is_an_error() {
        let subject = Subject::of(&Model::built_in());
        let input = subject.input(&small_head(), Some([16, 32, 33])).unwrap();
        let precision = TrainingPrecision::F32;

        let error = Network::new(subject.clone(), input.clone(), ONE).unwrap_err();
        let step = TrainingStep::new(subject, input, (ONE.0, precision)).unwrap_err();

        for error in [error, step] {
            assert_eq!(error.to_string(), "the network does not take this size");
        }
    }

    #[test]
    fn every_u_net_has_its_own_grid_and_other_names_have_none() {
        for name in UNet::NAMES {
            let subject = Subject::drawn(name).unwrap();
            let unet = UNet::named(name).unwrap();

            assert_eq!(subject.input(&small_head(), None).unwrap().size(), unet.training_size());
        }
        assert!(Subject::drawn("unet").is_none());
    }

    #[test]
    fn timed_steps_are_steps_of_training_and_their_parts_are_within_them() {
        let subject = Subject::of(&Model::built_in());
        let input = subject.input(&small_head(), Some([8, 32, 40])).unwrap();
        let precision = TrainingPrecision::Bf16;
        let mut step = TrainingStep::new(subject.clone(), input, (ONE.0, precision)).unwrap();

        let spread = step.time(NonZeroUsize::new(3).unwrap());

        assert_eq!(step.size(), [8, 32, 40]);
        let losses = step.losses();
        assert_eq!(losses.len(), 4, "one to warm up");
        assert!(losses.windows(2).all(|pair| pair[0] != pair[1]), "nothing is learned: {losses:?}");
        let parts = step.parts();
        let names: Vec<&str> = parts.blocks.iter().map(|block| block.name.as_str()).collect();
        let wanted: Vec<&str> = subject.spec.blocks.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(names, wanted);
        let longest = parts.blocks.iter().map(|block| block.weights_ms).fold(0.0, f64::max);
        assert!(0.0 < longest && longest < spread.max, "{spread:?} {parts:?}");
        assert!(parts.loss_ms > 0.0 && parts.update_ms > 0.0 && parts.pack_ms > 0.0, "{parts:?}");
    }

    #[test]
    fn a_scan_that_cannot_be_read_is_an_error_with_its_reason() {
        let top = tempfile::tempdir().unwrap();
        let source = Source::Path(top.path().join("nothing.nii"));
        let (model, one) = (Model::built_in(), NonZeroUsize::MIN);

        let error = whole(&source, &top.path().join("out"), &model, one, one).unwrap_err();

        assert!(error.to_string().starts_with("the scan cannot be segmented: "), "{error}");
    }
}
