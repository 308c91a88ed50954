//! `worklist.csv` and `worklist.html`: in which order to look at the scans.
//!
//! First what could not be analysed: nothing is known of it. Then scans with a bleed, the most urgent
//! first. All others follow in the order in which they came: a scan is raised, never lowered, so that a
//! missed bleed waits no longer than it would have without haema. Where the output folder holds a
//! comparison with an earlier scan (`haema compare --out OUT/…`), growth beyond the error of measurement
//! raises the later scan further.

use std::fmt::Write as _;
use std::path::Path;

use haema_io::fs::{self, FsError};
use haema_measure::{format_about_ml, format_ml};

use super::names::{Cases, Growths};
use super::summary::quoted;
use super::{SUMMARY_FILE, WORKLIST_FILE};
use crate::html::{escape, place_of, sheet};
use crate::report::{Report, Verdict};

/// The list as a page.
const PAGE_FILE: &str = "worklist.html";

const COLUMNS: &str = "place,state,urgency,case_id,probability,volume_ml,volume_upper_ml,\
    chance_above_30_ml,growth_ml,largest_lesion_place,scan,input,because";

/// All cases of a folder, to be looked at.
pub(super) struct Worklist {
    /// In the order in which they came.
    of_this_run: Vec<Entry>,
    of_earlier_runs: Vec<Entry>,
    growth: Growths,
}

#[derive(Debug, Clone)]
struct Entry {
    input: Option<usize>,
    case_id: String,
    /// Its report in short, or why there is none.
    outcome: Result<Short, String>,
}

#[derive(Debug, Clone)]
struct Short {
    is_bleed: bool,
    is_all_doubted: bool,
    probability: f64,
    volume_ml: f64,
    upper_ml: Option<f64>,
    chance_above_30_ml: Option<f64>,
    /// Since an earlier scan, beyond the error of measurement; none where nothing was compared, or grew.
    growth_ml: Option<f64>,
    place: String,
    verdict: Verdict,
}

impl Entry {
    fn of(input: Option<usize>, outcome: Result<&Report, &str>, growth: &Growths) -> Self {
        let short = |report: &Report| Short {
            is_bleed: report.hemorrhage.present,
            is_all_doubted: report.is_all_doubted(),
            probability: report.hemorrhage.probability,
            volume_ml: report.volume_ml,
            upper_ml: report.clinical.volume_interval.upper_ml,
            chance_above_30_ml: report
                .clinical
                .volume_interval
                .chances
                .iter()
                .find(|chance| (chance.above_ml - 30.0).abs() < 1e-9)
                .map(|chance| chance.probability),
            growth_ml: growth.of(&report.receipt.input_sha256),
            place: report.lesions.first().map(place_of).unwrap_or_default(),
            verdict: report.gate.verdict,
        };
        Self {
            input,
            case_id: outcome.map(|report| report.case_id.clone()).unwrap_or_default(),
            outcome: outcome.map(short).map_err(str::to_owned),
        }
    }

    /// What comes first is less: unknown, then bleeds by urgency, then the rest as they came.
    fn rank(&self) -> (u8, f64) {
        match &self.outcome {
            Err(_) => (0, 0.0),
            Ok(short) if short.is_bleed => (1, -short.urgency()),
            Ok(_) => (2, 0.0),
        }
    }

    fn state(&self) -> &'static str {
        match &self.outcome {
            Err(_) => "not analysed",
            Ok(short) if short.is_bleed => "bleed",
            Ok(_) => "no bleed found",
        }
    }
}

impl Short {
    /// How likely there is a bleed, times how large it is: a small one counts as a millilitre more, and
    /// what it has grown by counts twice.
    fn urgency(&self) -> f64 {
        self.probability * (1.0 + self.volume_ml + self.growth_ml.unwrap_or(0.0))
    }
}

impl Worklist {
    pub(super) fn of(cases: &Cases) -> Self {
        let growth = cases.growth().clone();
        let entries = cases.reports().map(|report| Entry::of(None, Ok(report), &growth));
        Self { of_this_run: Vec::new(), of_earlier_runs: entries.collect(), growth }
    }

    pub(super) fn add(&mut self, input: usize, outcome: Result<&Report, &str>) {
        let entry = Entry::of(Some(input), outcome, &self.growth);
        if entry.outcome.is_ok() {
            self.of_earlier_runs.retain(|before| before.case_id != entry.case_id);
        }
        self.of_this_run.push(entry);
    }

    /// In the order in which they are to be looked at; of equals, the one that came first.
    fn ordered(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> =
            self.of_earlier_runs.iter().chain(&self.of_this_run).collect();
        entries.sort_by(|a, b| {
            let ((a, more), (b, less)) = (a.rank(), b.rank());
            a.cmp(&b).then(more.total_cmp(&less))
        });
        entries
    }

    /// Writes both files.
    pub(super) fn write(&self, out: &Path) -> Result<(), FsError> {
        fs::write_atomic(&out.join(WORKLIST_FILE), self.csv().as_bytes())?;
        fs::write_atomic(&out.join(PAGE_FILE), self.page().as_bytes())
    }

    fn csv(&self) -> String {
        let mut table = format!("{COLUMNS}\n");
        for (index, entry) in self.ordered().into_iter().enumerate() {
            let input = entry.input.map(|n| n.to_string()).unwrap_or_default();
            let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
            let (figures, because) = match &entry.outcome {
                Ok(short) => (
                    [
                        short.probability.to_string(),
                        short.volume_ml.to_string(),
                        number(short.upper_ml),
                        number(short.chance_above_30_ml),
                        number(short.growth_ml),
                        short.place.clone(),
                        short.verdict.name().to_owned(),
                    ],
                    String::new(),
                ),
                Err(reason) => (Default::default(), reason.clone()),
            };
            let raised = entry.outcome.as_ref().ok().filter(|short| short.is_bleed);
            let urgency = raised.map(|short| format!("{:.2}", short.urgency()));
            let head = [
                (index + 1).to_string(),
                entry.state().to_owned(),
                urgency.unwrap_or_default(),
                entry.case_id.clone(),
            ];
            let fields = head.into_iter().chain(figures).chain([input, because]);
            let fields: Vec<String> = fields.map(|field| quoted(&field)).collect();
            table += &(fields.join(",") + "\n");
        }
        table
    }

    fn page(&self) -> String {
        let entries = self.ordered();
        let unknown = entries.iter().filter(|entry| entry.outcome.is_err()).count();
        let mut body = String::new();
        if unknown > 0 {
            writeln!(
                body,
                "<div class=\"warnings\"><p>{unknown} of {} could not be analysed: a reader must look at \
                 them</p></div>",
                entries.len()
            )
            .expect("a string takes all");
        }
        body += "<div class=\"scroll\"><table>\n<thead><tr><th class=\"n\"></th><th></th><th>case</th>\
                 <th class=\"n\">volume</th><th class=\"n\">score</th><th>largest part</th>\
                 <th>scan</th></tr></thead>\n<tbody>\n";
        for (index, entry) in entries.iter().enumerate() {
            body += &row(index + 1, entry);
        }
        write!(
            body,
            "</tbody></table></div>\n<p class=\"caution\">Scans with a bleed are raised by score × (1 + \
             mL + mL of growth since an earlier scan that was compared). All others keep the order in which they came: a scan is never lowered, and an empty \
             mask does not exclude a bleed. All figures: <a href=\"{SUMMARY_FILE}\">{SUMMARY_FILE}</a>.</p>\n"
        )
        .expect("a string takes all");
        sheet("Worklist", "In which order to look at these scans", &body)
    }
}

fn row(place: usize, entry: &Entry) -> String {
    let state = entry.state();
    match &entry.outcome {
        Err(reason) => format!(
            "<tr><td class=\"n\">{place}</td><td><b>{state}</b></td><td>input {}</td>\
             <td colspan=\"4\">{}</td></tr>\n",
            entry.input.map(|n| n.to_string()).unwrap_or_default(),
            escape(reason),
        ),
        Ok(short) => {
            let id = escape(&entry.case_id);
            let doubted =
                if short.is_all_doubted { "<br><small>all of it doubted</small>" } else { "" };
            let class = if short.is_bleed { "" } else { " class=\"left\"" };
            let grown = short.growth_ml.map_or(String::new(), |ml| {
                format!("<br><small>grown by {} mL</small>", escape(&format_ml(ml)))
            });
            let upper = short.upper_ml.map_or(String::new(), |ml| {
                format!("<br><small>up to {} mL</small>", escape(&format_about_ml(ml)))
            });
            format!(
                "<tr{class}><td class=\"n\">{place}</td><td>{state}{doubted}</td>\
                 <td><a href=\"{id}/report.html\">{id}</a></td><td class=\"n\">{} mL{upper}{grown}</td>\
                 <td class=\"n\">{:.2}</td><td>{}</td><td>{}</td></tr>\n",
                escape(&format_ml(short.volume_ml)),
                short.probability,
                escape(&short.place),
                short.verdict.name(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use haema_measure::{Growth, MeasuredVolume};

    use super::*;
    use crate::report::tests::{all_doubted, report};

    fn with(case_id: &str, volume_ml: f64, probability: f64) -> Report {
        let mut report = report();
        report.case_id = case_id.to_owned();
        report.volume_ml = volume_ml;
        report.hemorrhage.present = volume_ml > 0.0;
        report.hemorrhage.probability = probability;
        report
    }

    fn empty() -> Worklist {
        Worklist {
            of_this_run: Vec::new(),
            of_earlier_runs: Vec::new(),
            growth: Growths::default(),
        }
    }

    #[test]
    fn unknown_scans_come_first_and_nothing_is_lowered() {
        let mut list = empty();
        list.add(1, Ok(&with("calm", 0.0, 0.01)));
        list.add(2, Ok(&with("small", 2.0, 0.9)));
        list.add(3, Ok(&with("doubtful", 0.0, 0.45)));
        list.add(4, Err("no <CT>"));
        list.add(5, Ok(&with("large", 40.0, 0.8)));

        let csv = list.csv();

        let column = |n: usize| -> Vec<String> {
            csv.lines().skip(1).map(|l| l.split(',').nth(n).unwrap().to_owned()).collect()
        };
        assert_eq!(column(3), ["", "large", "small", "calm", "doubtful"], "{csv}");
        assert_eq!(column(2), ["", "32.80", "2.70", "", ""]);
        assert_eq!(column(1)[0], "not analysed");
        let page = list.page();
        assert!(page.contains("1 of 5 could not be analysed") && page.contains("no &lt;CT&gt;"));
        assert!(page.find("large/report.html") < page.find("small/report.html"));
    }

    #[test]
    fn a_doubted_scan_keeps_its_place_and_the_doubt_is_told() {
        let mut list = empty();
        list.add(1, Ok(&with("calm", 0.0, 0.9)));
        list.add(2, Ok(&all_doubted()));

        let page = list.page();

        let doubted = page.find("bleed<br><small>all of it doubted").unwrap();
        assert!(doubted < page.find("calm/report.html").unwrap());
        assert_eq!(page.matches("all of it doubted").count(), 1);
    }

    #[test]
    fn a_case_of_an_earlier_run_stands_once() {
        let before = Entry::of(None, Ok(&with("a", 5.0, 0.9)), &Growths::default());
        let mut list = Worklist { of_earlier_runs: vec![before], ..empty() };
        list.add(1, Ok(&with("a", 6.0, 0.9)));

        assert_eq!(list.csv().lines().count(), 2);
    }

    #[test]
    fn growth_raises_a_scan_and_shrinking_lowers_none() {
        let ordered = |change_ml: f64| -> Vec<String> {
            let mut list = empty();
            let measured = |volume_ml| MeasuredVolume { volume_ml, sd_ml: 1.0 };
            let [before, now] = [measured(20.0), measured(20.0 + change_ml)];
            list.growth.add("later", &Growth::between(before, now, None, None));
            for (id, volume_ml) in [("steady", 12.0), ("later", 9.0), ("small", 2.0)] {
                let mut report = with(id, volume_ml, 0.9);
                report.receipt.input_sha256 = id.to_owned();
                list.add(1, Ok(&report));
            }
            list.ordered().iter().map(|entry| entry.case_id.clone()).collect()
        };

        assert_eq!(ordered(6.0), ["later", "steady", "small"]);
        for none in [0.5, -8.0] {
            assert_eq!(ordered(none), ["steady", "later", "small"], "{none} mL");
        }
    }
}
