//! All tables and figures: as files, and on one page in the paper's order.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use haema_io::fs;
use haema_methods::Method;

use super::cases::{METHOD, REFERENCE, expert};
use super::charts::{self, Mark, Plot};
use super::drawing::Drawing;
use super::error::StudyError;
use super::run::Results;
use super::table::{Table, cell};
use super::tables::{
    Agreement, among_experts, metrics, table_2, table_5, table_of_methods, text_on_experts,
};
use super::{CaseRow, cohort, extras, network_chart, paper, slices, wide};
use crate::html::escape;
use crate::training::{Network, Schedule, TrainConfig};

/// One item of the report.
struct Item {
    /// Name of its files.
    name: String,
    title: String,
    /// What a reader must know to read it.
    words: String,
    /// What goes into the CSV.
    table: Option<Table>,
    /// What people see, where that differs.
    shown: Vec<Table>,
    drawing: Option<Drawing>,
}

impl Item {
    fn of(name: &str, table: Table, words: &str) -> Self {
        let title = table.title().to_owned();
        let (name, words) = (name.to_owned(), words.to_owned());
        Self { name, title, words, table: Some(table), shown: Vec::new(), drawing: None }
    }

    fn figure(name: &str, words: &str, drawing: Drawing) -> Self {
        let title = drawing.title.clone();
        let [name, words] = [name, words].map(str::to_owned);
        Self { name, title, words, table: None, shown: Vec::new(), drawing: Some(drawing) }
    }

    fn with_drawing(mut self, drawing: Drawing) -> Self {
        self.drawing = Some(drawing);
        self
    }

    fn shown_as(mut self, tables: impl IntoIterator<Item = Table>) -> Self {
        self.shown = tables.into_iter().collect();
        self
    }

    /// What people see.
    fn tables(&self) -> Vec<&Table> {
        if self.shown.is_empty() {
            self.table.iter().collect()
        } else {
            self.shown.iter().collect()
        }
    }
}

/// Writes everything and returns the path of the page.
pub(super) fn write(results: &Results<'_>, threads: NonZeroUsize) -> Result<PathBuf, StudyError> {
    let items = items(results, threads);
    let (tables, figures) = (results.out.join("tables"), results.out.join("figures"));
    fs::create_folder(&tables)?;
    fs::create_folder(&figures)?;
    let constants = results.settings.constants(results.plan);
    let line = results.settings.line(results.plan);
    for item in &items {
        if let Some(table) = &item.table {
            let csv = table.with_constants(&constants).csv();
            fs::write_atomic(&tables.join(format!("{}.csv", item.name)), csv.as_bytes())?;
            let shown: Vec<String> = item.tables().iter().map(|table| table.markdown()).collect();
            let words = format!("{}\n{}\n\n{line}\n", shown.join("\n"), item.words);
            fs::write_atomic(&tables.join(format!("{}.md", item.name)), words.as_bytes())?;
        }
        if let Some(drawing) = &item.drawing {
            let path = |ending: &str| figures.join(format!("{}.{ending}", item.name));
            fs::write_atomic(&path("svg"), drawing.file(&line).as_bytes())?;
            let png = drawing.png(&line).map_err(|reason| {
                let figure = item.title.clone();
                StudyError::Figure { figure, reason }
            })?;
            fs::write_atomic(&path("png"), &png)?;
        }
    }
    let path = results.out.join("report.html");
    fs::write_atomic(&path, page(results, &items).as_bytes())?;
    Ok(path)
}

fn items(results: &Results<'_>, threads: NonZeroUsize) -> Vec<Item> {
    let mut items = vec![Item::of(
        "table_1",
        cohort::table_1(results, threads),
        "Clinical rows need columns of participants.tsv (age, sex, anticoagulant, antiplatelet, evacuation); \
         rows of the picture come from the reference masks laid on haema's atlas. n known: cases that the row is \
         of.",
    )];
    items.extend(raters(results));
    if let Some((drawing, table)) = slices::figure(results) {
        let words = "Blue: the reference. Orange: what the leading method found. A: best case. B: largest false \
                     part. C: largest missed part at bone. D: where raters disagree most. A panel without \
                     such a part, and D of one rater, is not there. Seen from below, the patient's right on \
                     the left; brain window 0 to 80 HU.";
        items.push(Item::of("figure_2", table, words).with_drawing(drawing));
    }
    items.extend(methods(results));
    items.extend(training(results));
    items.extend(more(results));
    items
}

/// Table 2, Figure 1, and the paragraph on both.
fn raters(results: &Results<'_>) -> Vec<Item> {
    // Of scans without a bleed, empty masks agree perfectly, which would say nothing of bleeds.
    let rows: Vec<CaseRow> =
        results.rows.iter().filter(|row| results.bleeds.contains(&row.case)).cloned().collect();
    let experts: Vec<String> = (0..results.raters.max(1)).map(expert).collect();
    let everyone: Vec<String> = experts.iter().cloned().chain([METHOD.to_owned()]).collect();
    let mut agreements = Vec::new();
    for (i, first) in everyone.iter().enumerate() {
        for second in &everyone[i + 1..] {
            agreements.extend(Agreement::of(&rows, first, second));
        }
    }
    // The paper's order: experts with each other, then the method with each.
    agreements.sort_by_key(|pair| pair.raters[1] == METHOD);
    let names = results.dataset.raters();
    let who: Vec<String> =
        names.iter().enumerate().map(|(i, name)| format!("{} is {name}", expert(i))).collect();
    let method = results.leading().map_or("none", Method::name);
    let people = if who.is_empty() {
        "The dataset has masks of one reader alone (E1), so that only E1–M can be had.".to_owned()
    } else {
        format!("{}.", who.join(", "))
    };
    let words = format!(
        "Test scans with a bleed. κ over all voxels of the scan; β and α: line of the second rater's volumes on \
         the first's. M is {method}. {people}"
    );
    let shown = wide::table_2(&agreements);
    let mut items = vec![Item::of("table_2", table_2(&agreements), &words).shown_as([shown])];
    let pairs: Vec<(String, String, f64, f64)> = agreements
        .iter()
        .filter_map(|pair| {
            let apart = pair.disagreement?;
            let [first, second] = pair.raters.clone();
            Some((first, second, apart.signed, apart.absolute))
        })
        .collect();
    let mut table = Table::new(
        "Figure 1. Disagreement of volumes",
        ["rater_a", "rater_b", "signed", "absolute"],
    );
    for (first, second, signed, absolute) in &pairs {
        let figures = [signed, absolute].map(|figure| cell(Some(*figure), 4));
        table.push([first.clone(), second.clone()].into_iter().chain(figures));
    }
    let words = "Size of the mean relative difference with signs, as the paper shows it (there 9 ± 2 % between \
                 experts, 8 ± 2 % of the method with experts); small, the mean without signs.";
    let drawing = charts::disagreement(&everyone, &pairs);
    items.push(Item::of("figure_1", table, words).with_drawing(drawing));
    let experts: Vec<&str> = experts.iter().map(String::as_str).collect();
    if experts.len() > 1
        && let Some(found) = among_experts(&rows, &experts, METHOD)
    {
        let words = "The κ that Mann–Whitney compares are not independent; the tests below that take each scan \
                     once. A p above 0.05 does not say that two are the same.";
        items.push(Item::of("method_among_experts", text_on_experts(&found), words));
    }
    items
}

/// Tables 3 and 4, and the line on the training set.
fn methods(results: &Results<'_>) -> Vec<Item> {
    let leading = results.leading().map_or("", Method::name);
    let names: Vec<&str> = results.methods.iter().map(|method| method.name()).collect();
    let words = format!(
        "Against the reference on the scans' own grids, scans with a bleed. ★: the best of our column. p: signed \
         ranks against {leading}, adjusted by Holm. Time: preprocessing and inference, warm. {} The paper's figures \
         are of its own 10 private scans, on a workstation with a GPU: beside ours, not comparable with them.",
        budgets(results)
    );
    let table = |title: &str, names: &[&str], rows, theirs| {
        let found = metrics(rows, REFERENCE, names, leading);
        (table_of_methods(title, &found, theirs), wide::tables_of_methods(title, &found, theirs))
    };
    let (long, shown) = table("Table 3. Methods", &names, &results.rows, &paper::TABLE_3);
    let mut items = vec![Item::of("table_3", long, &words).shown_as(shown)];
    let pair = [Method::Cnn, Method::CnnDs].map(Method::name);
    let both: Vec<&str> = pair.into_iter().filter(|name| names.contains(name)).collect();
    let title = "Table 4. Without and with deep supervision";
    let (long, shown) = table(title, &both, &results.rows, &paper::TABLE_4);
    items.push(Item::of("table_4", long, &words).shown_as(shown));
    let title = "On the training set";
    let one: Vec<&str> = results.leading().map(Method::name).into_iter().collect();
    let (long, shown) = table(title, &one, &results.training_rows, &paper::TRAINING_SET);
    let words = "The leading method on the training scans with a bleed; the paper's on its 45.";
    items.push(Item::of("training_set", long, words).shown_as(shown));
    items
}

/// How long each method was trained, in a sentence: figures of methods with different budgets are not
/// figures of the methods alone.
fn budgets(results: &Results<'_>) -> String {
    let of = |method: &Method| {
        let name = method.name();
        let config = results.config_of(*method);
        let run = match config.zip(results.steps_in_epoch(*method)) {
            Some((config, steps)) => Some(format!("{} × {steps}", config.epochs)),
            None if results.is_taken(*method) => None,
            None => Some("the whole training set at once".to_owned()),
        };
        let elsewhere = results.is_taken(*method).then(|| "trained elsewhere".to_owned());
        let words: Vec<String> = run.into_iter().chain(elsewhere).collect();
        format!("{name}: {}", words.join(", "))
    };
    let each: Vec<String> = results.methods.iter().map(of).collect();
    format!("Training, epochs × steps: {}.", each.join("; "))
}

/// Figure 3, Table 5, Figure 4.
fn training(results: &Results<'_>) -> Vec<Item> {
    let runs = [(Method::CnnDs, "#2b5c8a"), (Method::Cnn, "#1f8f4d")];
    let mut marks = Vec::new();
    let mut table =
        Table::new("Figure 3. Loss", ["run", "epoch", "training_loss", "validation_loss"]);
    for (method, colour) in runs {
        let log = results.losses(method);
        for (i, [training, validation]) in log.iter().enumerate() {
            let figures = [*training, *validation].map(|loss| cell(loss, 5));
            let names = [method.name().to_owned(), (i + 1).to_string()];
            table.push(names.into_iter().chain(figures));
        }
        for (kind, is_dashed) in [(0, false), (1, true)] {
            let at =
                |(i, losses): (usize, &[Option<f64>; 2])| Some([(i + 1) as f64, losses[kind]?]);
            let points: Vec<[f64; 2]> = log.iter().enumerate().filter_map(at).collect();
            if !points.is_empty() {
                let of = if is_dashed { "validation" } else { "training" };
                let name = format!("{}, {of}", method.name());
                marks.push(Mark::Line { points, name, colour, is_dashed });
            }
        }
    }
    let title = table.title().to_owned();
    let plot = Plot { title, x: "epoch", y: "loss", y_ends: None, marks };
    let words = "Blue: with deep supervision; green: without. Solid: training; broken: validation, where a run has \
                 a validation set. A model that was given shows its own run, where that lies beside it.";
    let mut items = vec![Item::of("figure_3", table, words).with_drawing(plot.drawing())];
    let Some(method) = results.leading() else { return items };
    let Some(config) = results.config_of(method) else { return items };
    items.push(Item::of(
        "table_5",
        table_5(&parameters(&config)),
        "Of the run of the leading method.",
    ));
    let spec = config.network.spec();
    let [rows, columns] = config.preprocessing.in_plane;
    let size = config.recipe.view.tile_size([32, rows, columns]);
    if let Some((drawing, table)) = network_chart::chart(&spec, size) {
        let words = "Drawn from the configuration of the run: blocks in the order in which they are computed, \
                     numbers of channels; red: what skips levels.";
        items.push(Item::of("figure_4", table, words).with_drawing(drawing));
    }
    items
}

fn parameters(config: &TrainConfig) -> Vec<(&'static str, f64)> {
    let mut found = Vec::new();
    if let Network::CnnDs(network) = &config.network {
        found.push(("network_depth", network.depth as f64));
        // In single precision 0.2 has digits that nobody wrote.
        found.push(("dropout", (f64::from(network.dropout) * 1e6).round() / 1e6));
        found.push(("base_channels", network.base as f64));
    }
    found.push(("initial_lr", config.learning_rate));
    found.push(("batch_size", 1.0));
    found.push(("adam_beta1", config.adam.beta1));
    found.push(("adam_beta2", config.adam.beta2));
    found.push(("epochs", f64::from(config.epochs)));
    if let Schedule::Poly { power } = config.schedule {
        found.push(("polynomial_decay", power));
    }
    found
}

/// What the paper does not show.
fn more(results: &Results<'_>) -> Vec<Item> {
    let names: Vec<&str> = results.methods.iter().map(|method| method.name()).collect();
    let mut items = vec![
        Item::of("times", extras::times(results), "Means over the test scans, warm."),
        Item::of("volumes", extras::volumes(&results.rows, &names), "Against the reference."),
        Item::of("sizes", extras::by_size(&results.rows, &names), "Size by the reference."),
        Item::of("failures", extras::failures(&results.rows, &names), "Scans with a bleed."),
        Item::of(
            "abc2",
            extras::bedside(results),
            "Estimates from the reference masks, all parts of a bleed together; the last row is the mean of \
             estimate less planimetry.",
        ),
    ];
    if let Some(method) = results.leading().map(Method::name) {
        let words = "Rest the pointer on a point for its case.";
        for (name, plot) in extras::plots(&results.rows, method) {
            items.push(Item::figure(name, words, plot.drawing()));
        }
    }
    items
}

fn page(results: &Results<'_>, items: &[Item]) -> String {
    let line = escape(&results.settings.line(results.plan));
    let test = &results.plan.split.held_aside;
    let bleeds = test.iter().filter(|id| results.bleeds.contains(*id)).count();
    let warning = if bleeds == 0 {
        "<p class=\"caution\">No test scan has a bleed: Tables 2 to 4 are empty. Hold more cases aside, or add \
         cases with a bleed.</p>\n"
            .to_owned()
    } else {
        String::new()
    };
    let notes: String =
        results.notes.iter().map(|note| ["<li>", &escape(note), "</li>\n"].concat()).collect();
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("<h2>Notes</h2>\n<ul>\n{notes}</ul>\n")
    };
    let sections: String = items.iter().map(|item| section(item, &line)).collect();
    let preset = escape(&format!("{:?}", results.settings.preset).to_lowercase());
    let epochs = results.settings.epochs.map_or_else(String::new, |n| format!(", {n} epochs"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>Study of {dataset} · haema</title>\n<style>\n{css}</style>\n</head>\n<body>\n\
         <header><h1>Study of {dataset}</h1><p>The tables and figures of Arab et al. 2020, from other data</p>\
         <p class=\"research\">Research software. Not a medical device.</p></header>\n\
         <p class=\"source\">{line}</p>\n\
         <p>{bleeds} of {tests} test scans have a bleed. Methods were trained with the settings “{preset}”{epochs}, \
         all on the same split (split.json). Shaded columns are the paper's printed figures, of its own ten private \
         test scans; all others are computed here from master.csv.</p>\n{warning}{sections}{notes}\
         <footer>Each table is in tables/ as CSV and Markdown, each figure in figures/ as SVG and PNG.</footer>\n\
         </body>\n</html>\n",
        dataset = escape(&results.settings.dataset),
        css = include_str!("page.css"),
        tests = test.len(),
    )
}

fn section(item: &Item, line: &str) -> String {
    let drawing = item.drawing.as_ref();
    let svg = drawing.map_or_else(String::new, |d| format!("<figure>{}</figure>\n", d.svg()));
    let of_table = |table: &Table| {
        if table.rows().is_empty() {
            return "<p>Nothing to show.</p>\n".to_owned();
        }
        let more = if table.title() == item.title {
            ""
        } else {
            "<p class=\"words\">Beyond the paper:</p>\n"
        };
        format!("{more}<div class=\"wide\">{}</div>\n", table.html())
    };
    // A figure's numbers stand in its file.
    let tables = if drawing.is_some() { Vec::new() } else { item.tables() };
    let table: String = tables.into_iter().map(of_table).collect();
    format!(
        "<section id=\"{}\">\n<h2>{}</h2>\n{svg}{table}<p class=\"words\">{}</p>\n\
         <p class=\"source\">{line}</p>\n</section>\n",
        item.name,
        escape(&item.title),
        escape(&item.words)
    )
}
