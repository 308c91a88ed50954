//! Whose scan it is and when it was made: enough to compare two scans, and nothing to read out.
//!
//! Names, numbers and dates of birth are kept as their SHA-256 alone, in memory alone. A date leaves
//! as the time between two scans and in no other form: a date is an identifier too.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Who was scanned, and when, as far as a header says; of a file without such a header nothing is
/// known. It can be compared and does not come out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity {
    patient_id: Option<Digest>,
    name: Option<Digest>,
    birth_date: Option<Digest>,
    acquired: Option<Moment>,
}

type Digest = [u8; 32];

/// Whether two scans are of one patient, by their headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamePatient {
    /// One number, and nothing against it; or one name and one date of birth.
    Yes,
    /// Something differs.
    No,
    /// Headers that name nobody, such as those of NIfTI files.
    Unknown,
}

/// What stands in a header where somebody took a patient's number or name out.
const PLACEHOLDERS: [&str; 9] =
    ["", "0", "ANON", "ANONYMIZED", "ANONYMISED", "ANONYMOUS", "NONE", "REMOVED", "UNKNOWN"];

impl Identity {
    /// From the texts of a header; empty ones and placeholders say nothing.
    ///
    /// * `acquired` — date and time pairs in DICOM's form, the best first; a date and time in one
    ///   text has an empty second.
    pub(crate) fn of(
        patient_id: Option<&str>,
        name: Option<&str>,
        birth_date: Option<&str>,
        acquired: &[(Option<String>, Option<String>)],
    ) -> Self {
        let moment = |(date, time): &(Option<String>, Option<String>)| {
            let date_time = date.clone()? + time.as_deref().unwrap_or_default();
            Moment::parse(&date_time)
        };
        Self {
            patient_id: patient_id.and_then(digest),
            name: name.and_then(digest),
            birth_date: birth_date.and_then(digest),
            acquired: acquired.iter().find_map(moment),
        }
    }

    /// The same person, with the earlier of both times: images of one series.
    #[must_use]
    pub(crate) fn earliest(self, other: Self) -> Self {
        let acquired = [self.acquired, other.acquired].into_iter().flatten().min();
        Self { acquired, ..self }
    }

    /// Whether another scan is of the same patient.
    ///
    /// Numbers decide, unless dates of birth differ. Other numbers with the same name and the same
    /// date of birth are those of another hospital.
    pub fn same_patient(&self, other: &Self) -> SamePatient {
        let equal = |a: Option<Digest>, b: Option<Digest>| Some(a? == b?);
        let ids = equal(self.patient_id, other.patient_id);
        let names = equal(self.name, other.name);
        let births = equal(self.birth_date, other.birth_date);
        match (ids, names, births) {
            (_, _, Some(false)) => SamePatient::No,
            (Some(true), _, _) | (_, Some(true), Some(true)) => SamePatient::Yes,
            (Some(false), _, _) | (_, Some(false), _) => SamePatient::No,
            // One name or one date of birth alone is no proof.
            (None, _, _) => SamePatient::Unknown,
        }
    }

    /// Hours from this scan to another, by the scanners' clocks; less than nothing where the other
    /// one was earlier. `None` where a header has no date and time of day.
    pub fn hours_until(&self, other: &Self) -> Option<f64> {
        let seconds = other.acquired?.seconds - self.acquired?.seconds;
        Some(seconds as f64 / 3600.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// Of a text as people type it: spaces, carets and case do not count.
fn digest(text: &str) -> Option<Digest> {
    let plain: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    (!PLACEHOLDERS.contains(&plain.as_str())).then(|| Sha256::digest(plain.as_bytes()).into())
}

/// A moment by a scanner's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    /// Since the beginning of 1970.
    seconds: i64,
}

impl Moment {
    /// Date and time of day to the minute at least, `YYYYMMDDHHMM[SS]`; a fraction and an offset from
    /// Greenwich are left out.
    ///
    /// # Source
    ///
    /// DICOM PS3.5 §6.2, value representations DA, DT and TM.
    fn parse(text: &str) -> Option<Self> {
        let digits: Vec<i64> = text
            .trim()
            .bytes()
            .map_while(|byte| byte.is_ascii_digit().then(|| i64::from(byte - b'0')))
            .collect();
        let number = |from: usize, to: usize| {
            let digits = digits.get(from..to)?;
            Some(digits.iter().fold(0, |number, digit| 10 * number + digit))
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute) = (number(8, 10)?, number(10, 12)?);
        let second = number(12, 14).unwrap_or(0);
        let is_plausible = (1900..2200).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let seconds =
            86_400 * days_from_1970(year, month, day) + 3600 * hour + 60 * minute + second;
        is_plausible.then_some(Self { seconds })
    }
}

/// Days from 1 January 1970 to a date of the Gregorian calendar.
///
/// # Source
///
/// H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    146_097 * era + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, name: &str, birth_date: &str) -> Identity {
        Identity::of(Some(id), Some(name), Some(birth_date), &[])
    }

    #[test]
    fn one_number_is_one_patient_and_another_date_of_birth_is_another() {
        let jane = person("4711", "DOE^JANE", "19500102");

        assert_eq!(
            jane.same_patient(&person(" 47-11", "Doe^Jane^^", "19500102")),
            SamePatient::Yes
        );
        assert_eq!(jane.same_patient(&person("4711", "SMITH^JANE", "")), SamePatient::Yes);
        assert_eq!(jane.same_patient(&person("4711", "DOE^JANE", "19700102")), SamePatient::No);
        assert_eq!(jane.same_patient(&person("0815", "DOE^JANE", "19500102")), SamePatient::Yes);
        assert_eq!(jane.same_patient(&person("0815", "DOE^JANE", "")), SamePatient::No);
        assert_eq!(jane.same_patient(&person("0815", "ROE^R", "19500102")), SamePatient::No);
    }

    #[test]
    fn headers_without_a_name_say_nothing() {
        let jane = person("4711", "DOE^JANE", "19500102");

        assert_eq!(jane.same_patient(&Identity::default()), SamePatient::Unknown);
        assert_eq!(jane.same_patient(&person("Anonymous", "ANON", "")), SamePatient::Unknown);
        assert_eq!(jane.same_patient(&person("", "", "19500102")), SamePatient::Unknown);
    }

    fn at(date: &str, time: &str) -> Identity {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Identity::of(None, None, None, &[(None, None), (some(date), some(time))])
    }

    #[test]
    fn hours_run_over_midnight_the_month_and_a_leap_day() {
        let hours = |a: &Identity, b: &Identity| a.hours_until(b);

        assert_eq!(hours(&at("20240228", "2330"), &at("20240301", "053000.5")), Some(30.0));
        assert_eq!(hours(&at("20231231", "120000"), &at("20240101", "110000")), Some(23.0));
        assert_eq!(
            hours(&at("20240301120000.000000+0100", ""), &at("20240301", "1030")),
            Some(-1.5)
        );
        assert_eq!(hours(&at("20240301", ""), &at("20240301", "1030")), None);
        assert_eq!(hours(&at("20241301", "1030"), &at("20240301", "1030")), None);
        // date --date=2026-11-23T00:00:00Z +%s
        assert_eq!(days_from_1970(2026, 11, 23) * 86_400, 1_795_392_000);
    }

    #[test]
    fn it_does_not_print_what_it_holds() {
        assert_eq!(format!("{:?}", person("4711", "DOE", "1950")), "Identity(…)");
    }
}
