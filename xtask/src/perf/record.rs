//! The committed counts.

use crate::Failure;

/// How far a count may be from the record. Hash maps with random seeds move small counts by some
/// tenths of a percent from run to run.
pub(super) const TOLERANCE_PERCENT: u64 = 2;

/// Counts, and what they were made with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) rustc: String,
    pub(super) valgrind: String,
    /// Instruction set that the kernels chose.
    pub(super) door: String,
    /// Pieces of work with their instructions, in their order.
    pub(super) counts: Vec<(String, u64)>,
}

/// What a comparison says.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing is worse.
    Holds {
        /// What is better, or new.
        notes: Vec<String>,
    },
    /// Something is worse, or gone.
    Worse {
        /// What, by how much.
        what: Vec<String>,
    },
}

impl Record {
    pub(super) fn to_toml(&self) -> String {
        let head = format!(
            "# Instructions of small fixed pieces of work, kept by `cargo xtask perf --update`.\n\
             rustc = \"{}\"\nvalgrind = \"{}\"\ndoor = \"{}\"\n\n[instructions]\n",
            self.rustc, self.valgrind, self.door
        );
        let lines = self.counts.iter().map(|(name, count)| format!("{name} = {count}\n"));
        head + &lines.collect::<String>()
    }

    pub(super) fn from_toml(text: &str) -> Result<Self, Failure> {
        let table: toml::Table = text.parse()?;
        let word = |key: &str| {
            let value = table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("the record has no text `{key}`"))
        };
        let counts = table
            .get("instructions")
            .and_then(toml::Value::as_table)
            .ok_or("the record has no table `instructions`")?
            .iter()
            .map(|(name, count)| {
                let count = count.as_integer().and_then(|count| u64::try_from(count).ok());
                let count = count.ok_or_else(|| format!("the record's {name} is no count"))?;
                Ok((name.clone(), count))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self { rustc: word("rustc")?, valgrind: word("valgrind")?, door: word("door")?, counts })
    }

    pub(super) fn compare(&self, found: &Self) -> Verdict {
        let (mut worse, mut notes) = (Vec::new(), Vec::new());
        for (name, wanted) in &self.counts {
            let Some((_, count)) = found.counts.iter().find(|(other, _)| other == name) else {
                worse.push(format!("{name} is in the record and is not counted any more"));
                continue;
            };
            let percent = (*count as f64 / *wanted as f64 - 1.0) * 100.0;
            let line = format!("{name}: {wanted} to {count} instructions, {percent:+.1} %");
            if 100 * count > (100 + TOLERANCE_PERCENT) * wanted {
                worse.push(line);
            } else if 100 * count < (100 - TOLERANCE_PERCENT) * wanted {
                notes.push(format!("{line}: keep it with `cargo xtask perf --update`"));
            }
        }
        for (name, _) in &found.counts {
            if self.counts.iter().all(|(known, _)| known != name) {
                worse.push(format!("{name} is not in the record: `cargo xtask perf --update`"));
            }
        }
        if worse.is_empty() { Verdict::Holds { notes } } else { Verdict::Worse { what: worse } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(counts: &[(&str, u64)]) -> Record {
        let counts = counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        let [rustc, valgrind, door] = ["rustc 1", "valgrind-3", "avx2"].map(str::to_owned);
        Record { rustc, valgrind, door, counts }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let record = record(&[("measure", 17), ("network", 1_000_000_000_000)]);

        assert_eq!(Record::from_toml(&record.to_toml()).unwrap(), record);
    }

    #[test]
    fn two_percent_more_is_allowed_and_three_are_named() {
        let wanted = record(&[("a", 1000), ("b", 1000)]);

        let holds = wanted.compare(&record(&[("a", 1020), ("b", 990)]));
        let worse = wanted.compare(&record(&[("a", 1030), ("b", 1000)]));

        assert_eq!(holds, Verdict::Holds { notes: vec![] });
        let line = "a: 1000 to 1030 instructions, +3.0 %".to_owned();
        assert_eq!(worse, Verdict::Worse { what: vec![line] });
    }

    #[test]
    fn a_gain_is_told_and_what_is_gone_or_new_does_not_pass() {
        let wanted = record(&[("a", 1000)]);

        let Verdict::Holds { notes } = wanted.compare(&record(&[("a", 500)])) else { panic!() };

        assert!(notes[0].contains("-50.0 %"), "{notes:?}");
        assert!(matches!(wanted.compare(&record(&[])), Verdict::Worse { .. }));
        let more = record(&[("a", 1000), ("b", 1)]);
        assert!(matches!(wanted.compare(&more), Verdict::Worse { .. }));
    }
}
