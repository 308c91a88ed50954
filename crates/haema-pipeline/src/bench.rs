//! How fast, how much memory: the network alone, and the whole way from files to results.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use haema_io::dicom::write::{SeriesOptions, write_series};
use haema_io::fs;
use haema_methods::cnn_ds::Model;
use haema_methods::frame::{Frame, Planes, PreprocessError, Preprocessing};
use haema_nn::tensors::{self, NamedTensor};
use haema_nn::{BlockTime, Door, Executor, Peak, SpecError, WeightsError};
use haema_sim::builtin_head;
use haema_volume::{CtVolume, Volume};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::input::Source;
use crate::report::Report;
use crate::segment::{self, Event, Options, SegmentError};

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
    /// Of the network's arithmetic.
    pub precision: String,
    /// Threads.
    pub threads: usize,
    /// Timed runs; one more went before them to warm up.
    pub repeat: usize,
    /// The network's grid `[z, y, x]`.
    pub size: [usize; 3],
    /// One pass of the network, forward, from its input to probabilities.
    pub network_ms: Spread,
    /// The whole way, median; none where only the network was timed.
    pub total_ms: Option<f64>,
    /// The whole way part by part.
    pub parts_ms: Option<Parts>,
    /// Instruction set of the kernels.
    pub instructions: String,
    /// The last pass, block by block, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Layers>,
    /// Peak of the memory that the process held; none where the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

/// A pass block by block, against what the machine can do at best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Multiply-adds on registers, all threads together, 10⁹ operations a second.
    pub peak_gflop_per_s: f64,
    /// Copying in memory, all threads together, 10⁹ bytes a second.
    pub peak_gigabytes_per_s: f64,
    /// The blocks in their order.
    pub blocks: Vec<LayerTime>,
}

/// A block's time and its floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerTime {
    /// Name of the block.
    pub name: String,
    /// Milliseconds in the pass.
    pub ms: f64,
    /// The longer of operations over peak and bytes over peak, ms. What lies in a cache can be
    /// read faster than that.
    pub floor_ms: f64,
    /// Operations of the convolution as it is defined, 10⁹.
    pub gflop: f64,
    /// Operations of the products that it takes in fact.
    pub product_gflop: f64,
    /// What must be read and written at least, 10⁶ bytes.
    pub megabytes: f64,
}

/// The network with its input, ready to be timed.
#[derive(Debug)]
pub struct Network {
    executor: Executor,
    input: Volume<f32>,
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

/// A scan on the grid of a model, or on one of `size` `[z, y, x]`, whatever the model was made for.
///
/// # Errors
///
/// [`BenchError::Preprocess`].
pub fn network_input(
    model: &Model,
    ct: &CtVolume,
    size: Option<[usize; 3]>,
) -> Result<Volume<f32>, BenchError> {
    let mut settings = model.preprocessing().clone();
    if let Some([count, rows, columns]) = size {
        let (in_plane, planes) = ([rows, columns], Planes::Fixed { count });
        settings = Preprocessing { in_plane, planes, ..settings };
    }
    Ok(Frame::plan(ct, &settings)?.image(ct)?)
}

impl Network {
    /// Prepares a model for an input.
    ///
    /// # Errors
    ///
    /// [`BenchError::Size`].
    pub fn new(
        model: &Model,
        input: Volume<f32>,
        threads: NonZeroUsize,
    ) -> Result<Self, BenchError> {
        let (spec, params) = (model.spec().clone(), model.parameters().clone());
        let executor = Executor::new(spec, params, input.size(), threads.get())?;
        Ok(Self { executor, input })
    }

    /// Times passes, after one to warm up.
    pub fn time(&mut self, repeat: NonZeroUsize) -> Spread {
        self.executor.probabilities(self.input.as_slice());
        Spread::of((0..repeat.get()).map(|_| {
            let start = Instant::now();
            self.executor.probabilities(self.input.as_slice());
            ms_since(start)
        }))
    }

    /// The blocks of the pass that was neither fast nor slow, and their floors. Measures the
    /// machine first, with 256 MB.
    pub fn layers(&mut self, threads: NonZeroUsize, repeat: NonZeroUsize) -> Layers {
        let peak = Peak::measure(Door::best(), threads.get());
        let mut passes: Vec<Vec<BlockTime>> = (0..repeat.get())
            .map(|_| {
                self.executor.probabilities(self.input.as_slice());
                self.executor.profile()
            })
            .collect();
        let total = |pass: &Vec<BlockTime>| pass.iter().map(|block| block.ms).sum::<f64>();
        passes.sort_by(|a, b| total(a).total_cmp(&total(b)));
        let middle = passes.swap_remove(passes.len() / 2);
        let blocks = middle.into_iter().map(|block| LayerTime {
            floor_ms: f64::max(
                1000.0 * block.product_gflop / peak.gflop_per_s,
                block.megabytes / peak.gigabytes_per_s,
            ),
            name: block.name,
            ms: block.ms,
            gflop: block.gflop,
            product_gflop: block.product_gflop,
            megabytes: block.megabytes,
        });
        Layers {
            peak_gflop_per_s: peak.gflop_per_s,
            peak_gigabytes_per_s: peak.gigabytes_per_s,
            blocks: blocks.collect(),
        }
    }

    /// Size of the input `[z, y, x]`.
    pub fn size(&self) -> [usize; 3] {
        self.input.size()
    }

    /// Input and output as a safetensors file, to compare engines: `input` and `probability`, both
    /// `[1, 1, z, y, x]`.
    ///
    /// # Errors
    ///
    /// [`BenchError::Tensors`].
    pub fn tensors(&mut self) -> Result<Vec<u8>, BenchError> {
        let [z, y, x] = self.input.size();
        let probability = self.executor.probabilities(self.input.as_slice());
        let named = |name: &str, values| NamedTensor {
            name: name.to_owned(),
            shape: vec![1, 1, z, y, x],
            values,
        };
        let input = named("input", self.input.as_slice().to_vec());
        Ok(tensors::to_bytes(&[input, named("probability", probability)])?)
    }
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
        threshold: None,
        threads,
        save_probability: false,
        series: None,
        force: true,
        save_paths: false,
        calibration: None,
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
    use haema_sim::{HeadOptions, simulate_head};

    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between() {
        let spread = Spread::of([4.0, 1.0, 3.0, 10.0]);

        assert_eq!(spread, Spread { median: 3.5, min: 1.0, max: 10.0 });
        assert_eq!(Spread::of([2.0]), Spread { median: 2.0, min: 2.0, max: 2.0 });
    }

    #[test]
    fn the_network_is_timed_on_the_grid_asked_for_and_gives_what_it_was_given() {
        let options = HeadOptions { pixels: 96, slices: 16, ..HeadOptions::default() };
        let ct = simulate_head(&options).unwrap().ct;
        let model = Model::built_in();

        let input = network_input(&model, &ct, Some([16, 32, 40])).unwrap();
        let mut network = Network::new(&model, input.clone(), NonZeroUsize::MIN).unwrap();
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
        let options = HeadOptions { pixels: 96, slices: 16, ..HeadOptions::default() };
        let ct = simulate_head(&options).unwrap().ct;
        let model = Model::built_in();
        let input = network_input(&model, &ct, Some([16, 32, 33])).unwrap();

        let error = Network::new(&model, input, NonZeroUsize::MIN).unwrap_err();

        assert_eq!(error.to_string(), "the network does not take this size");
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
