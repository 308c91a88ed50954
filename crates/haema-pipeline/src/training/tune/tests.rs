//! Searches: their order by itself, and whole ones with tiny networks.

use std::path::Path;

use haema_methods::cnn_ds::Profile;

use super::search::{Request, chosen, count, kept, next_round};
use super::trial::{Outcome, Trial};
use super::{
    Grid, Point, Strategy, TuneConfig, TuneError, TuneJob, TuneProgress, TuneSummary, tune,
};
use crate::training::tests::{config, dataset, job, n, split};
use crate::training::{Progress, Schedule, TrainConfig, train};

fn paper(strategy: Strategy) -> TuneConfig {
    TuneConfig::paper(TrainConfig::profile(Profile::Paper), strategy)
}

/// A trial whose loss has one low point: depth 4, rate 1e-3, dropout 0.4.
fn invented(request: &Request) -> Trial {
    let Request { round, point, epochs, .. } = *request;
    let loss = (point.depth as f64 - 4.0).abs()
        + (point.learning_rate.log10() + 3.0).abs()
        + f64::from((point.dropout - 0.4).abs());
    Trial {
        schema: String::new(),
        round,
        point,
        epochs,
        outcome: Outcome::Finished,
        epochs_done: epochs,
        validation_loss: Some(loss),
        best_epoch: Some(1),
        validation_dice: None,
        train_loss: None,
        seconds: 1.0,
    }
}

/// The rounds of a whole search with invented losses.
fn rounds(config: &TuneConfig) -> Vec<Vec<Request>> {
    let mut requests: Vec<Vec<Request>> = vec![];
    let mut done: Vec<Vec<Trial>> = vec![];
    while let Some(round) = next_round(config, &done) {
        done.push(round.iter().map(invented).collect());
        requests.push(round);
    }
    let best = done.concat()[chosen(config, &done).unwrap()].point;
    assert_eq!(best, Point { depth: 4, learning_rate: 1e-3, dropout: 0.4 });
    assert_eq!(requests.iter().map(Vec::len).sum::<usize>(), count(config));
    requests
}

#[test]
fn the_papers_grid_has_sixty_trials_of_five_hundred_epochs() {
    let rounds = rounds(&paper(Strategy::Grid));

    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].len(), 60);
    assert!(rounds[0].iter().all(|request| request.epochs == 500));
    assert!((1..60).all(|i| rounds[0][..i].iter().all(|other| other.point != rounds[0][i].point)));
}

#[test]
fn one_setting_after_the_other_takes_twelve_trials() {
    let rounds = rounds(&paper(Strategy::Coordinate));

    assert_eq!(rounds.iter().map(Vec::len).collect::<Vec<_>>(), [5, 4, 3]);
    assert!(rounds[0].iter().all(|request| request.point.depth == 4));
    assert!(rounds[1].iter().all(|request| request.point.learning_rate == 1e-3));
}

#[test]
fn halving_goes_from_sixty_short_trials_to_two_long_ones() {
    let config = paper(Strategy::Halving);
    let halved = rounds(&config);

    let sizes: Vec<(usize, u32)> =
        halved.iter().map(|round| (round.len(), round[0].epochs)).collect();
    assert_eq!(sizes, [(60, 20), (20, 60), (7, 150), (2, 500)]);
    assert_eq!(halved[3][0].after, Some(150));
    assert_eq!([0, 1, 2, 3].map(|round| kept(&config, round, halved[round].len())), [20, 7, 2, 0]);

    let mut other = config;
    other.base.schedule = Schedule::Poly { power: 0.9 };
    let after: Vec<Option<u32>> = rounds(&other).iter().map(|round| round[0].after).collect();
    assert_eq!(after, [None; 4], "a rate that falls with the length of the run cannot go on");
}

#[test]
fn a_failed_trial_is_never_chosen() {
    let config = TuneConfig {
        grid: Grid { depths: vec![4], learning_rates: vec![1e-2, 1e-3], dropouts: vec![0.3] },
        ..paper(Strategy::Grid)
    };
    let mut trials: Vec<Trial> = next_round(&config, &[]).unwrap().iter().map(invented).collect();
    trials[1] = Trial { outcome: Outcome::Diverged, validation_loss: None, ..trials[1].clone() };

    assert_eq!(chosen(&config, &[trials.clone()]), Some(0));
    trials[0].validation_loss = None;
    assert_eq!(chosen(&config, &[trials]), None);
}

/// Two learning rates, one of which cannot learn, with networks of a few hundred parameters.
fn tiny(strategy: Strategy) -> TuneConfig {
    let base = TrainConfig {
        schedule: Schedule::Plateau { patience: 10, factor: 0.5, stop_after: 50 },
        ..config(8)
    };
    let grid = Grid { depths: vec![2], learning_rates: vec![1e-9, 5e-3], dropouts: vec![0.2] };
    TuneConfig { grid, ..TuneConfig::paper(base, strategy) }
}

fn search(
    folder: &Path,
    config: &TuneConfig,
    progress: &mut dyn FnMut(TuneProgress<'_>),
) -> Result<TuneSummary, TuneError> {
    let dataset = haema_io::dataset::Dataset::open(folder).unwrap();
    let job = TuneJob { config, split: &split(&dataset), anatomy: None, engine: None };
    tune(&dataset, job, &folder.join("search"), n(2), progress)
}

#[test]
fn a_search_that_was_stopped_goes_on_and_its_choice_trains_to_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let config = tiny(Strategy::Halving);
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        search(folder.path(), &config, &mut |progress| {
            let is_there = matches!(progress, TuneProgress::Run(Progress::Step { epoch: 5, .. }));
            assert!(!is_there, "stopped on purpose");
        })
    }));
    assert!(stopped.is_err(), "the search was to be stopped");

    let mut steps = Vec::new();
    let summary = search(folder.path(), &config, &mut |progress| {
        if let TuneProgress::Run(Progress::Epoch(epoch)) = progress {
            steps.push(epoch.epoch);
        }
    })
    .unwrap();

    assert_eq!(steps, [5, 6, 7, 8], "what was done is passed over, and the last trial goes on");
    let chosen = &summary.trials[summary.chosen.unwrap()];
    assert_eq!((chosen.point.learning_rate, chosen.epochs_done), (5e-3, 8));
    assert!(summary.why.contains("over 1 validation case"), "{}", summary.why);
    let out = folder.path().join("search");
    let read = |path: &Path| std::fs::read(path).unwrap();
    let table = String::from_utf8(read(&out.join("trials.csv"))).unwrap();
    assert_eq!(table.lines().count(), 1 + summary.trials.len(), "{table}");
    let trial = out.join("trials/depth-2_rate-5e-3_dropout-0.2_epochs-8");
    assert!(!trial.join("checkpoint.safetensors").exists(), "the state of a finished trial goes");
    // Going on from the short trials is the same as one long run.
    let settings = crate::training::read_config_file(&out.join("chosen.toml")).unwrap();
    let whole = folder.path().join("whole");
    train(&dataset, job(&settings, &split(&dataset)), &whole, n(1), &mut |_| ()).unwrap();
    assert!(read(&whole.join("model.safetensors")) == read(&trial.join("model.safetensors")));
}

#[test]
fn the_report_names_the_choice_and_shows_every_trial() {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path());
    let mut config = tiny(Strategy::Coordinate);
    config.base.epochs = 1;
    let mut carried_out = 0;

    let summary = search(folder.path(), &config, &mut |progress| {
        carried_out += u32::from(matches!(progress, TuneProgress::Run(Progress::Epoch(_))));
    })
    .unwrap();

    assert_eq!((summary.trials.len(), carried_out), (4, 2), "the same settings are trained once");
    let read =
        |name: &str| std::fs::read_to_string(folder.path().join("search").join(name)).unwrap();
    assert!(read("report.md").contains(&summary.why));
    let page = read("report.html");
    assert!(page.contains("Dropout 0.2") && page.contains("<th class=\"n\">5e-3</th>"), "{page}");
}

#[test]
fn what_cannot_be_searched_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let told =
        |config: &TuneConfig| search(folder.path(), config, &mut |_| ()).unwrap_err().to_string();
    let mut config = tiny(Strategy::Grid);

    config.grid.depths = vec![2, 6];
    assert_eq!(
        told(&config),
        "a network of depth 6 halves its grid 5 times, and [8, 16, 16] [z, y, x] cannot be divided by 32: \
         leave this depth out, or give another grid in the configuration"
    );
    config.grid = Grid { dropouts: vec![1.0], ..tiny(Strategy::Grid).grid };
    assert!(told(&config).contains("found [1.0], wanted one or more from 0 to below 1"));
    let mut nobody = split(&dataset);
    nobody.training.append(&mut nobody.validation);
    let good = tiny(Strategy::Grid);
    let job = TuneJob { config: &good, split: &nobody, anatomy: None, engine: None };
    let error = tune(&dataset, job, &folder.path().join("x"), n(1), &mut |_| ()).unwrap_err();
    assert!(matches!(error, TuneError::NoValidation), "{error}");
}

#[test]
fn another_search_in_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path());
    let mut config = tiny(Strategy::Grid);
    config.base.epochs = 1;
    search(folder.path(), &config, &mut |_| ()).unwrap();
    config.base.seed = 9;

    let error = search(folder.path(), &config, &mut |_| ()).unwrap_err();

    assert!(matches!(error, TuneError::OtherSearch), "{error}");
}
