//! The stages, one after another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haema_io::dataset::{Case, Dataset};
use haema_io::{fs, nifti};
use haema_methods::Method;
use haema_volume::{Volume, parallel};
use serde::{Deserialize, Serialize};

use super::case_row::{CaseRow, Drawn as By};
use super::cases::{Drawn, METHOD, REFERENCE};
use super::error::StudyError;
use super::page;
use super::plan::{self, Order, Plan, Settings, reason};
use crate::model_file::{Trained, read_trained};
use crate::training::{
    self, Job, Progress, TrainConfig, learn_pitchperfect, pitchperfect_preset, train,
};

/// What happens, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// A method learns.
    Training {
        /// Which.
        method: Method,
        /// What its run tells.
        progress: Progress,
    },
    /// A method looks at a test case.
    Segmenting {
        /// Which.
        method: Method,
        /// The case.
        case: &'a str,
    },
    /// A case's masks are compared.
    Comparing {
        /// The case.
        case: &'a str,
    },
    /// Something could not be done; the rest goes on.
    Note(&'a str),
}

/// Everything that the tables and figures are made from.
pub(super) struct Results<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) settings: &'a Settings,
    pub(super) plan: &'a Plan,
    pub(super) out: &'a Path,
    /// Rows of the test cases.
    pub(super) rows: Vec<CaseRow>,
    /// Rows of the leading method on training cases.
    pub(super) training_rows: Vec<CaseRow>,
    /// How many people drew.
    pub(super) raters: usize,
    /// Test cases with a bleed in their reference.
    pub(super) bleeds: BTreeSet<String>,
    /// Methods that have a model.
    pub(super) methods: Vec<Method>,
    /// Methods whose model was given, and the folder of its file.
    pub(super) taken: Vec<(Method, PathBuf)>,
    /// Milliseconds of each method's parts, each case's.
    pub(super) times: Vec<(Method, String, Times)>,
    pub(super) notes: Vec<String>,
}

impl Results<'_> {
    /// The method that stands among the experts: CNN-DS, or the first.
    pub(super) fn leading(&self) -> Option<Method> {
        let has = |method: &Method| self.methods.contains(method);
        Some(Method::CnnDs).filter(has).or_else(|| self.methods.first().copied())
    }

    pub(super) fn case(&self, id: &str) -> Option<&Case> {
        self.dataset.cases().iter().find(|case| case.id() == id)
    }

    pub(super) fn is_taken(&self, method: Method) -> bool {
        self.taken.iter().any(|(taken, _)| *taken == method)
    }

    /// The folder of a method's training run: here, or where its model was given from.
    fn run_folder(&self, method: Method) -> PathBuf {
        let given = self.taken.iter().find(|(taken, _)| *taken == method);
        given.map_or_else(|| run_folder(self.out, method), |(_, folder)| folder.clone())
    }

    /// The loss of each epoch of a method's run, from its `log.csv`: training, then validation.
    pub(super) fn losses(&self, method: Method) -> Vec<[Option<f64>; 2]> {
        let path = self.run_folder(method).join("log.csv");
        let text = fs::read_to_string(&path, 1 << 24).unwrap_or_default();
        let of_row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |i: usize| cells.get(i).and_then(|cell| cell.parse().ok());
            [number(1), number(3)]
        };
        text.lines().skip(1).map(of_row).collect()
    }

    /// The configuration of a method's run, where it stands beside the model.
    pub(super) fn config_of(&self, method: Method) -> Option<TrainConfig> {
        let config = training::read_config(&self.run_folder(method)).ok().flatten();
        config.filter(|config| config.network.method() == method)
    }

    /// How many steps an epoch of a method's run has, from its `plan.json`.
    pub(super) fn steps_in_epoch(&self, method: Method) -> Option<u64> {
        let path = self.run_folder(method).join("plan.json");
        let text = fs::read_to_string(&path, 1 << 20).ok()?;
        let plan: serde_json::Value = serde_json::from_str(&text).ok()?;
        plan.get("steps_in_epoch")?.as_u64()
    }

    /// What a method found on a case.
    pub(super) fn mask(&self, method: Method, case: &str) -> Option<Volume<u8>> {
        nifti::read_label(&mask_path(self.out, method, case)).ok().map(|(mask, _)| mask)
    }
}

/// How long a method took on a case, warm: `masks/<method>/<case>.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to the name of each")]
pub(super) struct Times {
    /// From Hounsfield units to what the method computes on.
    pub(super) preprocess_ms: f64,
    /// The network, or the forest.
    pub(super) network_ms: f64,
    /// Back to the scan's own grid.
    pub(super) restore_ms: f64,
}

impl Times {
    /// What the paper times: preprocessing and inference.
    fn seconds(self) -> f64 {
        (self.preprocess_ms + self.network_ms + self.restore_ms) / 1000.0
    }
}

/// Makes a study of a dataset, or goes on with one, and returns the path of its page.
///
/// # Errors
///
/// [`StudyError`] where nothing can be written, no case can be used, or the folder holds another study.
pub fn study(
    dataset: &Dataset,
    order: &Order,
    out: &Path,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<PathBuf, StudyError> {
    let (settings, plan) = plan::begin(order, dataset, out)?;
    let mut notes = Vec::new();
    let tell = |notes: &mut Vec<String>, note: String, on_event: &mut dyn FnMut(Event<'_>)| {
        on_event(Event::Note(&note));
        notes.push(note);
    };
    for case in &plan.left_out {
        tell(&mut notes, format!("left out: {}", case.why), on_event);
    }
    let taken =
        order.models.iter().map(|path| read_trained(path)).collect::<Result<Vec<_>, _>>()?;
    let mut models: Vec<Trained> = Vec::new();
    for &method in &order.methods {
        let given = taken.iter().find(|model| model.method() == method);
        let model = match given {
            Some(model) => {
                notes.push(format!("{} was not trained here: its model was given", method.name()));
                Ok(model.clone())
            }
            None => trained(dataset, method, (order, &plan), out, on_event),
        };
        match model {
            Ok(model) => models.push(model),
            Err(why) => {
                tell(&mut notes, format!("{} has no model: {why}", method.name()), on_event);
            }
        }
    }
    let mut results = Results {
        dataset,
        settings: &settings,
        plan: &plan,
        out,
        rows: Vec::new(),
        training_rows: Vec::new(),
        raters: dataset.raters().len(),
        bleeds: BTreeSet::new(),
        methods: models.iter().map(Trained::method).collect(),
        taken: taken.iter().map(Trained::method).zip(folders_of(&order.models)).collect(),
        times: Vec::new(),
        notes,
    };
    segment_all(&mut results, &models, order, on_event)?;
    compare_all(&mut results, order, on_event);
    let table = CaseRow::table(&results.rows).with_constants(&settings.constants(&plan));
    fs::write_atomic(&out.join("master.csv"), table.csv().as_bytes())?;
    page::write(&results, order.threads)
}

/// The folders that models lie in.
fn folders_of(models: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    models.iter().map(|path| path.parent().map_or_else(PathBuf::new, Path::to_path_buf))
}

/// The folder of a method's training run.
fn run_folder(out: &Path, method: Method) -> PathBuf {
    out.join("models").join(method.name())
}

fn mask_path(out: &Path, method: Method, case: &str) -> PathBuf {
    out.join("masks").join(method.name()).join(format!("{case}.nii.gz"))
}

/// A method's model from its finished run, or from one that begins or goes on now.
fn trained(
    dataset: &Dataset,
    method: Method,
    (order, plan): (&Order, &Plan),
    out: &Path,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Trained, String> {
    let folder = run_folder(out, method);
    if method == Method::Pitchperfect {
        let settings = pitchperfect_preset(order.preset, order.seed);
        let mut skipped = |case: &str| {
            let note = format!(
                "{} does not learn from case {case}: it cannot be laid on the template",
                method.name()
            );
            on_event(Event::Note(&note));
        };
        let job = (&settings, &plan.split);
        let path = learn_pitchperfect(dataset, job, &folder, order.threads, &mut skipped)
            .map_err(|error| reason(&error))?;
        return read_trained(&path).map_err(|error| reason(&error));
    }
    let weights = folder.join("model.safetensors");
    if !weights.exists() {
        let config = TrainConfig::preset(method, order.preset)
            .ok_or_else(|| "haema cannot train it".to_owned())?;
        let epochs = order.epochs.unwrap_or(config.epochs);
        let config = TrainConfig { epochs, seed: order.seed, ..config };
        let split = &plan.split;
        let job = Job { config: &config, split, start: None, anatomy: None, engine: None };
        train(dataset, job, &folder, order.threads, &mut |progress| {
            on_event(Event::Training { method, progress });
        })
        .map_err(|error| reason(&error))?;
    }
    read_trained(&weights).map_err(|error| reason(&error))
}

/// Lets every model look at every test case, and the leading one at training cases with a bleed.
fn segment_all(
    results: &mut Results<'_>,
    models: &[Trained],
    order: &Order,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), StudyError> {
    let test = results.plan.split.held_aside.clone();
    let learned = results.plan.split.training.clone();
    let leading = results.leading();
    for model in models {
        let method = model.method();
        fs::create_folder(&results.out.join("masks").join(method.name()))?;
        let also = if Some(method) == leading { learned.as_slice() } else { &[] };
        let mut is_warm = false;
        for id in test.iter().chain(also) {
            on_event(Event::Segmenting { method, case: id });
            match segment_one(results, model, (id, order), &mut is_warm)? {
                Ok(times) => results.times.push((method, id.clone(), times)),
                Err(why) => {
                    let note = format!("{} failed on case {id}: {why}", method.name());
                    on_event(Event::Note(&note));
                    results.notes.push(note);
                }
            }
        }
    }
    Ok(())
}

/// One case, or what was found of it before. The first scan is done twice, so that times are of a method
/// that is warm.
fn segment_one(
    results: &Results<'_>,
    model: &Trained,
    (id, order): (&str, &Order),
    is_warm: &mut bool,
) -> Result<Result<Times, String>, StudyError> {
    let mask_path = mask_path(results.out, model.method(), id);
    let times_path = mask_path.with_file_name(format!("{id}.json"));
    if mask_path.exists() && times_path.exists() {
        let text = fs::read_to_string(&times_path, 1 << 16)?;
        if let Ok(times) = serde_json::from_str(&text) {
            return Ok(Ok(times));
        }
    }
    let Some(case) = results.case(id) else {
        return Ok(Err("it is not in the dataset".to_owned()));
    };
    let ct = match case.read_image() {
        Ok(ct) => ct,
        Err(error) => return Ok(Err(reason(&error))),
    };
    let segmenter = model.segmenter();
    let rule = segmenter.mask_rule();
    let mut found = segmenter.segment(&ct, rule, order.threads);
    if !*is_warm && found.is_ok() {
        *is_warm = true;
        found = segmenter.segment(&ct, rule, order.threads);
    }
    let found = match found {
        Ok(found) => found,
        Err(error) => return Ok(Err(reason(&error))),
    };
    let mask = rule.mask(&found.probability);
    nifti::write_mask(&mask_path, &mask, ct.grid())?;
    let times = Times {
        preprocess_ms: found.preprocess_ms,
        network_ms: found.network_ms,
        restore_ms: found.restore_ms,
    };
    fs::write_json(&times_path, &times)?;
    Ok(Ok(times))
}

/// The rows of all cases.
fn compare_all(results: &mut Results<'_>, order: &Order, on_event: &mut dyn FnMut(Event<'_>)) {
    let compare = |(id, methods): (&String, &[Method])| compare_one(results, id, methods);
    let all = results.methods.as_slice();
    let leading: Vec<Method> = results.leading().into_iter().collect();
    let test = results.plan.split.held_aside.iter().map(|id| (id, all));
    let learned = results.plan.split.training.iter().map(|id| (id, leading.as_slice()));
    let jobs: Vec<(&String, &[Method])> = test.chain(learned).collect();
    let test_count = results.plan.split.held_aside.len();
    let found = parallel::map(jobs.iter(), order.threads, |_, &job| compare(job));
    let (mut rows, mut training_rows, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut faults, mut bleeds) = (Vec::new(), BTreeSet::new());
    for (i, ((id, _), found)) in jobs.iter().zip(found).enumerate() {
        on_event(Event::Comparing { case: id });
        match found {
            Ok(own) if i < test_count => {
                rows.extend(own.rows);
                notes.extend(own.notes);
                faults.extend(own.faults);
                if own.has_bleed {
                    bleeds.insert((*id).clone());
                }
            }
            Ok(own) => {
                let of_method = own.rows.into_iter().filter(|row| row.method != METHOD);
                training_rows.extend(of_method.filter(|row| row.reference == REFERENCE));
            }
            Err(why) => faults.push(format!("case {id} is not compared: {why}")),
        }
    }
    for fault in faults {
        on_event(Event::Note(&fault));
        notes.push(fault);
    }
    results.rows = rows;
    results.bleeds = bleeds;
    results.training_rows = training_rows;
    results.notes.extend(notes);
}

/// A case, compared.
struct Compared {
    rows: Vec<CaseRow>,
    /// Whether its reference has a bleed.
    has_bleed: bool,
    notes: Vec<String>,
    /// What is told at once.
    faults: Vec<String>,
}

/// All pairs of masks of a case: people with each other, the leading method with people, every method with
/// the reference.
fn compare_one(results: &Results<'_>, id: &str, methods: &[Method]) -> Result<Compared, String> {
    let case = results.case(id).ok_or_else(|| "it is not in the dataset".to_owned())?;
    let Drawn { ct, raters, reference, notes, faults } = Drawn::read(results.dataset, case)?;
    let patient = case.participant().and_then(|row| row.get("patient_id")).unwrap_or(id);
    let row = |first: (&str, &Volume<u8>), second: (&str, &Volume<u8>)| {
        let [first, second] = [first, second].map(|(by, mask)| By { by, mask });
        CaseRow::compare(id, patient, first, second, ct.grid()).map_err(|error| error.to_string())
    };
    let mut rows = Vec::new();
    for (i, (first, mask)) in raters.iter().enumerate() {
        for (second, other) in &raters[i + 1..] {
            rows.push(row((first, mask), (second, other))?);
        }
    }
    for &method in methods {
        let Some(found) = results.mask(method, id) else { continue };
        if Some(method) == results.leading() {
            for (rater, mask) in &raters {
                rows.push(row((rater, mask), (METHOD, &found))?);
            }
        }
        let own = results.times.iter().find(|(m, case, _)| *m == method && case == id);
        let seconds = own.map(|(_, _, times)| times.seconds());
        let with = row((REFERENCE, &reference), (method.name(), &found))?;
        rows.push(CaseRow { seconds, ..with });
    }
    let has_bleed = reference.as_slice().iter().any(|&voxel| voxel != 0);
    Ok(Compared { rows, has_bleed, notes, faults })
}
