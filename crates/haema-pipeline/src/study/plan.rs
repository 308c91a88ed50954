//! The first stage: what is asked for, and which case serves for what.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use haema_io::dataset::{Case, Dataset};
use haema_io::fs;
use haema_methods::Method;
use haema_volume::parallel;
use serde::{Deserialize, Serialize};

use super::error::StudyError;
use crate::training::{CaseSize, Preset, Split, check_case};

/// The format of `study.json`.
const SCHEMA: &str = "haema.study/1";
/// No such file is longer.
const LONGEST: u64 = 1 << 26;

/// What to study.
#[derive(Debug, Clone)]
pub struct Order {
    /// The methods, in the order of the tables.
    pub methods: Vec<Method>,
    /// Models to take instead of training their methods.
    pub models: Vec<PathBuf>,
    /// How methods are trained.
    pub preset: Preset,
    /// Passes over the training cases; the preset's where absent.
    pub epochs: Option<u32>,
    /// Root of every random choice.
    pub seed: u64,
    /// Cases for the test; where none is named, every [`Order::test_every`]th.
    pub test: Vec<String>,
    /// Every how manieth case is for the test, in order of the size of its bleed.
    pub test_every: NonZeroUsize,
    /// How many threads; only times depend on it.
    pub threads: NonZeroUsize,
}

/// What was decided, as it stands in `study.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file's format.
    pub schema: String,
    /// Version of haema.
    pub version: String,
    /// What the dataset calls itself.
    pub dataset: String,
    /// The methods.
    pub methods: Vec<Method>,
    /// How they are trained.
    pub preset: Preset,
    /// For how many epochs, where not as the preset says.
    pub epochs: Option<u32>,
    /// Root of every random choice.
    pub seed: u64,
    /// Every how manieth case is for the test.
    pub test_every: usize,
    /// Processor and threads.
    pub hardware: String,
}

impl Settings {
    fn of(order: &Order, dataset: &Dataset) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: dataset.name().to_owned(),
            methods: order.methods.clone(),
            preset: order.preset,
            epochs: order.epochs,
            seed: order.seed,
            test_every: order.test_every.get(),
            hardware: hardware(order.threads),
        }
    }

    /// Columns that every table carries.
    pub(super) fn constants(&self, plan: &Plan) -> [(&'static str, String); 7] {
        [
            ("dataset", self.dataset.clone()),
            ("n_train", plan.split.training.len().to_string()),
            ("n_test", plan.split.held_aside.len().to_string()),
            ("grid", "the scan's own".to_owned()),
            ("seed", self.seed.to_string()),
            ("haema_version", self.version.clone()),
            ("hardware", self.hardware.clone()),
        ]
    }

    /// The same in one line, for people.
    pub(super) fn line(&self, plan: &Plan) -> String {
        let test = plan.split.held_aside.len();
        format!(
            "{} · N = {test} test, {} training · masks on the scans' own grids · seed {} · haema {} · {}",
            self.dataset,
            plan.split.training.len(),
            self.seed,
            self.version,
            self.hardware
        )
    }
}

/// The processor's name, where the system tells, and the number of threads.
fn hardware(threads: NonZeroUsize) -> String {
    let text = fs::read_to_string(Path::new("/proc/cpuinfo"), 1 << 22).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let name = name.map_or("processor not told", str::trim);
    let plural = if threads.get() == 1 { "" } else { "s" };
    format!("{name}, {threads} thread{plural}")
}

/// A case that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its id.
    pub case: String,
    /// Why.
    pub why: String,
}

/// Which case serves for what: `split.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Training cases, and those held aside for the test.
    pub split: Split,
    /// Cases that cannot be used.
    pub left_out: Vec<LeftOut>,
}

/// Writes the settings and the split, or finds them written by the same study.
pub(super) fn begin(
    order: &Order,
    dataset: &Dataset,
    out: &Path,
) -> Result<(Settings, Plan), StudyError> {
    if order.methods.is_empty() {
        return Err(StudyError::NoMethods);
    }
    fs::create_folder(out)?;
    let settings = Settings::of(order, dataset);
    let path = out.join("study.json");
    if let Some(found) = read::<Settings>(&path)? {
        // Another machine may go on with a study; its times then are not comparable, and it says so.
        let found = Settings { hardware: settings.hardware.clone(), ..found };
        if found != settings {
            return Err(StudyError::OtherStudy);
        }
    }
    fs::write_json(&path, &settings)?;
    let path = out.join("split.json");
    if let Some(plan) = read::<Plan>(&path)? {
        return Ok((settings, plan));
    }
    let plan = Plan::of(dataset, order)?;
    fs::write_json(&path, &plan)?;
    Ok((settings, plan))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, StudyError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path, LONGEST)?;
    let read = serde_json::from_str(&text).ok();
    read.map(Some).ok_or(StudyError::OtherStudy)
}

impl Plan {
    /// Looks at every case, and holds every nth of the usable ones aside for the test.
    fn of(dataset: &Dataset, order: &Order) -> Result<Self, StudyError> {
        let values = dataset.label_values();
        let look = |_, case: &Case| (case.id().to_owned(), check_case(case, &values));
        let looked = parallel::map(dataset.cases().iter(), order.threads, look);
        let (mut sizes, mut left_out) = (Vec::<CaseSize>::new(), Vec::new());
        for (case, found) in looked {
            match found {
                Ok(bleed_ml) => sizes.push((case, (bleed_ml * 1000.0).ceil() as usize)),
                Err(error) => left_out.push(LeftOut { case, why: reason(&error) }),
            }
        }
        if sizes.is_empty() {
            let first = left_out.first().map_or_else(String::new, |case| case.why.clone());
            return Err(StudyError::NoCases { cases: left_out.len(), first });
        }
        let test = match order.test.as_slice() {
            [] => Split::every_nth(&sizes, order.test_every.get()),
            named => named.to_vec(),
        };
        let ids: Vec<&str> = sizes.iter().map(|(id, _)| id.as_str()).collect();
        Ok(Self { split: Split::named(&ids, &[], &test)?, left_out })
    }
}

/// An error and its causes in one line.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
