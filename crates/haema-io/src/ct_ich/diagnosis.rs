//! `hemorrhage_diagnosis.csv`: one row a slice.

use std::collections::BTreeMap;
use std::path::Path;

use super::ImportError;
use crate::dataset::Subtype;
use crate::fs;

/// The radiologists' findings in every patient.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diagnoses(BTreeMap<u32, Diagnosis>);

/// The findings in one patient, slice by slice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diagnosis(BTreeMap<u32, SliceFindings>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SliceFindings {
    /// In the order of [`Subtype::ALL`].
    subtypes: [bool; 5],
    has_fracture: bool,
}

/// The columns as released. The five subtypes come in the order of [`Subtype::ALL`].
const HEAD: &str = "PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,\
                    Epidural,Subdural,No_Hemorrhage,Fracture_Yes_No";
/// The release's table is 50 kB.
const MOST_BYTES: u64 = 16 << 20;

impl Diagnoses {
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let text = fs::read_to_string(path, MOST_BYTES)?;
        Self::parse(&text).map_err(|reason| ImportError::NotCtIch { reason, path: path.to_owned() })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        let (_, head) = lines.next().unwrap_or_default();
        if head.trim() != HEAD {
            return Err(format!(
                "the table begins with {:?}",
                head.chars().take(40).collect::<String>()
            ));
        }
        let mut diagnoses = Self::default();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let (patient, slice, findings) =
                parse_row(line).ok_or_else(|| format!("line {} is {line:?}", index + 1))?;
            diagnoses.0.entry(patient).or_default().0.insert(slice, findings);
        }
        Ok(diagnoses)
    }

    pub(super) fn of_patient(&self, number: u32) -> Option<&Diagnosis> {
        self.0.get(&number)
    }
}

fn parse_row(line: &str) -> Option<(u32, u32, SliceFindings)> {
    let values = line.split(',').map(|value| value.trim().parse().ok());
    let values: Vec<u32> = values.collect::<Option<_>>()?;
    let [patient, slice, flags @ ..] = values.as_slice() else { return None };
    let [a, b, c, d, e, _none, fracture]: [bool; 7] =
        flags.iter().map(|&flag| flag == 1).collect::<Vec<_>>().try_into().ok()?;
    let findings = SliceFindings { subtypes: [a, b, c, d, e], has_fracture: fracture };
    (flags.iter().all(|&flag| flag <= 1)).then_some((*patient, *slice, findings))
}

impl Diagnosis {
    pub(super) fn has(&self, subtype: Subtype) -> bool {
        let index = Subtype::ALL.iter().position(|&other| other == subtype);
        self.0.values().any(|slice| index.is_some_and(|index| slice.subtypes[index]))
    }

    pub(super) fn has_fracture(&self) -> bool {
        self.0.values().any(|slice| slice.has_fracture)
    }

    /// Whether a slice has a bleed, or `None` where the table does not have the slice.
    pub(super) fn has_bleed_on(&self, slice: u32) -> Option<bool> {
        self.0.get(&slice).map(|slice| slice.subtypes.contains(&true))
    }

    pub(super) fn bleed_slices(&self) -> usize {
        self.0.values().filter(|slice| slice.subtypes.contains(&true)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_gathered_by_patient() {
        let rows = "49,1,0,0,0,0,0,1,0\n49,2,0,0,1,0,1,0,0\n49,3,0,0,0,0,1,0,1\n50,1,0,0,0,0,0,1,0";

        let diagnoses = Diagnoses::parse(&format!("{HEAD}\r\n{rows}\r\n")).unwrap();

        let patient = diagnoses.of_patient(49).unwrap();
        assert_eq!(patient.bleed_slices(), 2);
        assert!(patient.has(Subtype::Subarachnoid) && patient.has(Subtype::Subdural));
        assert!(!patient.has(Subtype::Epidural) && patient.has_fracture());
        assert_eq!(patient.has_bleed_on(1), Some(false));
        assert_eq!(patient.has_bleed_on(4), None);
        assert_eq!(diagnoses.of_patient(50).unwrap().bleed_slices(), 0);
        assert!(diagnoses.of_patient(51).is_none());
    }

    #[test]
    fn another_table_and_a_broken_row_are_refused() {
        assert!(Diagnoses::parse("ID,Label\n").unwrap_err().contains("\"ID,Label\""));
        for row in ["49,1,0", "49,1,0,0,0,0,0,2,0", "49,x,0,0,0,0,0,1,0"] {
            let reason = Diagnoses::parse(&format!("{HEAD}\n{row}\n")).unwrap_err();
            assert_eq!(reason, format!("line 2 is {row:?}"));
        }
    }
}
