//! Table 1: who is in the training set, and who in the test.

use haema_eval::{Divisor, Variances, describe, fisher_exact, mean_difference};
use haema_measure::{Location, Place, Whereabouts, lesions, volume_ml};
use haema_volume::parallel;

use super::cases::Drawn;
use super::run::Results;
use super::table::{Table, cell, p_value};

/// What is known of a case.
#[derive(Debug, Clone, Default, PartialEq)]
struct Facts {
    is_test: bool,
    age: Option<f64>,
    volume_ml: Option<f64>,
    /// Of cases with a bleed, as far as it is known.
    is_male: Option<bool>,
    is_deep: Option<bool>,
    reaches_cortex: Option<bool>,
    has_ivh: Option<bool>,
    has_anticoagulant: Option<bool>,
    has_antiplatelet: Option<bool>,
    was_evacuated: Option<bool>,
}

/// What the paper printed of a row: training, test.
type Printed = Option<[f64; 2]>;
/// What is asked of a case; nothing where the case does not tell.
type Fact = fn(&Facts) -> Option<bool>;

/// The table. Clinical rows come from `participants.tsv`, where it has such columns; rows of the picture
/// from the reference masks and the atlas.
pub(super) fn table_1(results: &Results<'_>, threads: std::num::NonZeroUsize) -> Table {
    let split = &results.plan.split;
    let all = split.training.iter().map(|id| (id, false));
    let all: Vec<(&String, bool)> =
        all.chain(split.held_aside.iter().map(|id| (id, true))).collect();
    let found = parallel::map(all.iter(), threads, |_, &(id, is_test)| facts(results, id, is_test));
    make(&found.into_iter().flatten().collect::<Vec<_>>())
}

fn facts(results: &Results<'_>, id: &str, is_test: bool) -> Option<Facts> {
    let case = results.case(id)?;
    let drawn = Drawn::read(results.dataset, case).ok()?;
    let row = case.participant();
    let flag = |names: &[&str]| names.iter().find_map(|name| row?.flag(name));
    let ml = volume_ml(&drawn.reference, drawn.ct.grid()).ok().filter(|&ml| ml > 0.0);
    let sex = row.and_then(|row| row.get("sex")).map(str::to_lowercase);
    let mut facts = Facts {
        is_test,
        age: row.and_then(|row| row.get("age")?.parse().ok()),
        volume_ml: ml,
        is_male: sex.and_then(|sex| match sex.as_str() {
            "m" | "male" => Some(true),
            "f" | "female" => Some(false),
            _ => None,
        }),
        has_ivh: flag(&["intraventricular"]),
        has_anticoagulant: flag(&["anticoagulant", "oral_anticoagulants"]),
        has_antiplatelet: flag(&["antiplatelet"]),
        was_evacuated: flag(&["evacuation"]),
        ..Facts::default()
    };
    if ml.is_none() {
        return Some(Facts { has_ivh: None, ..facts });
    }
    // Cases are shared out to threads already.
    let one = std::num::NonZeroUsize::MIN;
    if let Ok(whereabouts) = Whereabouts::of(&drawn.ct, one)
        && let Ok(found) = lesions(&drawn.reference, &drawn.ct, Some(&whereabouts))
    {
        let places: Vec<&Location> =
            found.iter().filter_map(|lesion| lesion.location.as_ref()).collect();
        let deep = [Place::BasalGanglia, Place::Thalamus];
        let first = places.first();
        facts.is_deep = first.map(|at| at.place.is_some_and(|place| deep.contains(&place)));
        facts.reaches_cortex = Some(places.iter().any(|at| at.reaches_cortex));
        facts.has_ivh = facts.has_ivh.or(Some(places.iter().any(|at| at.touches_ventricle)));
    }
    Some(facts)
}

fn make(facts: &[Facts]) -> Table {
    let columns = "variable,train,test,n_known_train,n_known_test,test_name,statistic,p,paper_train,paper_test";
    let mut table = Table::new("Table 1. Cohort", columns.split(','));
    let count = |is_test: bool, pick: fn(&Facts) -> bool| {
        facts.iter().filter(|fact| fact.is_test == is_test && pick(fact)).count().to_string()
    };
    for (name, pick, printed) in [
        ("scans", (|_| true) as fn(&Facts) -> bool, Some(["45", "10"])),
        ("scans with a bleed", |fact: &Facts| fact.volume_ml.is_some(), Some(["45", "10"])),
    ] {
        let counts = [count(false, pick), count(true, pick)];
        let printed = printed.unwrap_or_default().map(str::to_owned);
        let blank = std::iter::repeat_n(String::new(), 5);
        table.push(std::iter::once(name.to_owned()).chain(counts).chain(blank).chain(printed));
    }
    numbers(&mut table, "age, years", facts, |fact| fact.age, ["62.6 ± 15.7", "70.7 ± 8.4"]);
    numbers(&mut table, "volume, mL (scans with a bleed)", facts, |fact| fact.volume_ml, ["", ""]);
    let shares: [(&str, Fact, Printed); 7] = [
        ("male, %", |fact| fact.is_male, Some([51.0, 60.0])),
        ("deep-seated, %", |fact| fact.is_deep, Some([40.0, 30.0])),
        ("reaches the cortical surface, %", |fact| fact.reaches_cortex, Some([77.8, 100.0])),
        ("intraventricular blood, %", |fact| fact.has_ivh, Some([40.0, 30.0])),
        ("oral anticoagulants, %", |fact| fact.has_anticoagulant, Some([24.4, 40.0])),
        ("antiplatelet, %", |fact| fact.has_antiplatelet, Some([6.7, 0.0])),
        ("evacuation, %", |fact| fact.was_evacuated, Some([11.1, 0.0])),
    ];
    for (name, pick, printed) in shares {
        share(&mut table, (name, printed), facts, pick);
    }
    table
}

/// Mean and standard deviation on both sides, compared as the paper does and by Welch's test.
fn numbers(
    table: &mut Table,
    name: &str,
    facts: &[Facts],
    pick: fn(&Facts) -> Option<f64>,
    printed: [&str; 2],
) {
    let side = |is_test: bool| -> Vec<f64> {
        facts.iter().filter(|fact| fact.is_test == is_test).filter_map(pick).collect()
    };
    let sides = [side(false), side(true)];
    let shown = sides.each_ref().map(|values| {
        describe(values, Divisor::Sample)
            .map_or_else(String::new, |found| format!("{:.1} ± {}", found.mean, cell(found.sd, 1)))
    });
    let known = sides.each_ref().map(|values| values.len().to_string());
    for (test, variances) in [("Student", Variances::Pooled), ("Welch", Variances::Own)] {
        let apart = mean_difference(&sides[0], &sides[1], variances);
        let figures =
            [cell(apart.map(|d| d.t(0.0)), 3), p_value(apart.map(|d| d.p_different(0.0)), 4)];
        let first = [name.to_owned()].into_iter().chain(shown.clone()).chain(known.clone());
        let cells = first.chain([test.to_owned()]).chain(figures);
        table.push(cells.chain(printed.map(str::to_owned)));
    }
}

/// A share on both sides, compared by Fisher's exact test.
fn share(
    table: &mut Table,
    (name, printed): (&str, Printed),
    facts: &[Facts],
    pick: fn(&Facts) -> Option<bool>,
) {
    let side = |is_test: bool| {
        let known = facts.iter().filter(|fact| fact.is_test == is_test).filter_map(pick);
        known.fold([0_u64; 2], |[yes, no], it| if it { [yes + 1, no] } else { [yes, no + 1] })
    };
    let sides = [side(false), side(true)];
    let shown = sides.map(|[yes, no]| {
        let n = yes + no;
        if n == 0 { String::new() } else { format!("{:.1}", 100.0 * yes as f64 / n as f64) }
    });
    let known = sides.map(|[yes, no]| (yes + no).to_string());
    let is_known = sides.iter().all(|[yes, no]| yes + no > 0);
    let p = is_known.then(|| fisher_exact(sides));
    let test = [if is_known { "Fisher" } else { "" }.to_owned(), String::new(), p_value(p, 4)];
    let printed = printed.map_or_else(Default::default, |both| both.map(|value| value.to_string()));
    let cells = [name.to_owned()].into_iter().chain(shown).chain(known).chain(test);
    table.push(cells.chain(printed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_counted_and_compared() {
        let fact = |is_test, ml: f64, deep| Facts {
            is_test,
            volume_ml: Some(ml),
            is_deep: Some(deep),
            ..Facts::default()
        };
        let facts = [
            fact(false, 10.0, true),
            fact(false, 20.0, true),
            fact(false, 30.0, true),
            fact(true, 5.0, false),
            fact(true, 7.0, false),
            Facts { is_test: true, ..Facts::default() },
        ];

        let table = make(&facts);

        let row =
            |name: &str| table.rows().iter().position(|row| row[0].starts_with(name)).unwrap();
        let get = |name: &str, column: &str| table.get(row(name), column).unwrap().to_owned();
        assert_eq!((get("scans", "train"), get("scans", "test")), ("3".into(), "3".into()));
        assert_eq!(get("scans with", "test"), "2");
        assert_eq!(
            (get("volume", "train"), get("volume", "n_known_test")),
            ("20.0 ± 10.0".into(), "2".into())
        );
        assert_eq!((get("deep", "train"), get("deep", "test")), ("100.0".into(), "0.0".into()));
        // All three of one side and none of two of the other: 1 of 10 ways.
        assert_eq!(get("deep", "p"), "0.1000");
        assert_eq!(
            (get("age", "train"), get("age", "paper_train")),
            (String::new(), "62.6 ± 15.7".into())
        );
        assert_eq!(get("male", "p"), "");
    }
}
