//! The text before NRRD's voxels.
//!
//! # Source
//!
//! Definition of NRRD File Format, teem.sourceforge.net/nrrd/format.html.

use std::collections::BTreeMap;
use std::io::BufRead;

use haema_volume::{Affine, Vec3};

use super::NrrdError;
use crate::voxels::{HeaderLines, Layout, NumberType, checked_size};

/// How voxels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Raw,
    Gzip,
    Text,
}

/// What the reader needs of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) layout: Layout,
    pub(super) lps_from_index: Affine,
    pub(super) encoding: Encoding,
    pub(super) byte_skip: u64,
    /// Where the voxels are, if not right after the header.
    pub(super) data_file: Option<String>,
    /// The lines `key:=value`, which programs use as they like.
    pub(super) pairs: BTreeMap<String, String>,
    /// What is doubtful about the geometry, in plain words.
    pub(super) warnings: Vec<String>,
}

/// The lines `field: value`, names in small letters without blanks.
struct Fields(BTreeMap<String, String>);

impl Header {
    /// Reads the header, and leaves the source at the first voxel.
    pub(super) fn read(source: impl BufRead) -> Result<Self, NrrdError> {
        let mut lines = HeaderLines::new(source);
        let first = lines.next_line()?.unwrap_or_default();
        if !matches!(first.as_str().strip_prefix("NRRD000"), Some("1" | "2" | "3" | "4" | "5")) {
            return Err(NrrdError::NotNrrd { found: first.chars().take(20).collect() });
        }
        let (mut fields, mut pairs) = (Fields(BTreeMap::new()), BTreeMap::new());
        while let Some(line) = lines.next_line()? {
            if line.is_empty() {
                break;
            }
            if line.starts_with('#') {
                continue;
            }
            // A field comes first in the format's own words: `key:=value` has no blank after `:`.
            if let Some((key, value)) = line.split_once(":=") {
                pairs.insert(key.to_owned(), unescaped(value));
            } else {
                fields.insert(&line)?;
            }
        }
        fields.header(pairs)
    }
}

/// `\n` and `\\` as they were before writing.
fn unescaped(value: &str) -> String {
    value.replace("\\\\", "\0").replace("\\n", "\n").replace('\0', "\\")
}

impl Fields {
    fn insert(&mut self, line: &str) -> Result<(), NrrdError> {
        let bad = |wanted| NrrdError::BadField {
            field: line.chars().take(40).collect(),
            found: line.chars().take(80).collect(),
            wanted,
        };
        let (name, value) = line.split_once(": ").ok_or_else(|| bad("a line \"field: value\""))?;
        let name = name.to_ascii_lowercase().replace(' ', "");
        if self.0.insert(name, value.trim().to_owned()).is_some() {
            return Err(bad("every field once"));
        }
        Ok(())
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.0.get(&field.replace(' ', "")).map(String::as_str)
    }

    fn wanted(&self, field: &'static str) -> Result<&str, NrrdError> {
        self.get(field).ok_or(NrrdError::Missing { field })
    }

    fn bad(&self, field: &'static str, wanted: &'static str) -> NrrdError {
        let found = self.get(field).unwrap_or_default().chars().take(80).collect();
        NrrdError::BadField { field: field.to_owned(), found, wanted }
    }

    fn header(&self, pairs: BTreeMap<String, String>) -> Result<Header, NrrdError> {
        let number_type = self.number_type()?;
        let encoding = self.encoding()?;
        let is_big_endian = match self.get("endian") {
            Some("big") => true,
            Some("little") => false,
            None if number_type.bytes() == 1 || encoding == Encoding::Text => false,
            None => return Err(NrrdError::Missing { field: "endian" }),
            Some(_) => return Err(self.bad("endian", "little or big")),
        };
        if !matches!(self.get("line skip"), None | Some("0")) {
            return Err(self.bad("line skip", "0: voxels right after the header"));
        }
        let byte_skip = self.get("byte skip").unwrap_or("0").parse();
        let byte_skip =
            byte_skip.ok().ok_or_else(|| self.bad("byte skip", "a number from 0 on"))?;
        let mut warnings = Vec::new();
        let (size, lps_from_index) = self.geometry(&mut warnings)?;
        Ok(Header {
            layout: Layout { size, number_type, is_big_endian, rescale: None },
            lps_from_index,
            encoding,
            byte_skip,
            data_file: self.get("data file").map(str::to_owned),
            pairs,
            warnings,
        })
    }

    fn number_type(&self) -> Result<NumberType, NrrdError> {
        Ok(match self.wanted("type")? {
            "signed char" | "int8" | "int8_t" => NumberType::I8,
            "uchar" | "unsigned char" | "uint8" | "uint8_t" => NumberType::U8,
            "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
                NumberType::I16
            }
            "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => {
                NumberType::U16
            }
            "int" | "signed int" | "int32" | "int32_t" => NumberType::I32,
            "uint" | "unsigned int" | "uint32" | "uint32_t" => NumberType::U32,
            "longlong"
            | "long long"
            | "long long int"
            | "signed long long"
            | "signed long long int"
            | "int64"
            | "int64_t" => NumberType::I64,
            "ulonglong"
            | "unsigned long long"
            | "unsigned long long int"
            | "uint64"
            | "uint64_t" => NumberType::U64,
            "float" => NumberType::F32,
            "double" => NumberType::F64,
            _ => return Err(self.bad("type", "whole or real numbers, one per voxel")),
        })
    }

    fn encoding(&self) -> Result<Encoding, NrrdError> {
        Ok(match self.wanted("encoding")?.to_ascii_lowercase().as_str() {
            "raw" => Encoding::Raw,
            "gzip" | "gz" => Encoding::Gzip,
            "ascii" | "text" | "txt" => Encoding::Text,
            _ => return Err(self.bad("encoding", "raw, gzip or ascii")),
        })
    }

    /// Size `[z, y, x]` and affine. Axes of one voxel that have no direction are left out.
    fn geometry(&self, warnings: &mut Vec<String>) -> Result<([usize; 3], Affine), NrrdError> {
        let sizes: Vec<u64> = numbers(self.wanted("sizes")?)
            .ok_or_else(|| self.bad("sizes", "one whole number per axis"))?;
        if self.wanted("dimension")? != sizes.len().to_string() {
            return Err(self.bad("dimension", "the number of sizes"));
        }
        let directions = self.directions(sizes.len())?;
        let in_space =
            sizes.iter().zip(directions).filter(|(size, way)| **size != 1 || way.is_some());
        let axes: Vec<(u64, Option<Vec3>)> = in_space.map(|(&size, way)| (size, way)).collect();
        let [(x, Some(x_step)), (y, Some(y_step)), (z, Some(z_step))] = axes.as_slice() else {
            return Err(NrrdError::BadShape { found: sizes });
        };
        if [x, y, z].contains(&&0) {
            return Err(NrrdError::BadShape { found: sizes });
        }
        let size = checked_size([*x, *y, *z])?;
        let origin = match self.get("space origin") {
            Some(text) => match vectors(text).as_deref() {
                Some([Some(origin)]) => *origin,
                _ => return Err(self.bad("space origin", "one vector such as (0,0,0)")),
            },
            None => [0.0; 3],
        };
        let signs = self.signs_to_lps(warnings)?;
        let to_lps = |v: &Vec3| std::array::from_fn(|i| v[i] * signs[i]);
        let [x_step, y_step, z_step, origin] = [x_step, y_step, z_step, &origin].map(to_lps);
        Ok((size, Affine::from_steps(x_step, y_step, z_step, origin)))
    }

    /// The step along each axis, or `None` where an axis is not one of space.
    fn directions(&self, axis_count: usize) -> Result<Vec<Option<Vec3>>, NrrdError> {
        if let Some(text) = self.get("space directions") {
            let vectors = vectors(text).filter(|vectors| vectors.len() == axis_count);
            let wanted = "one vector such as (1,0,0), or none, per axis";
            return vectors.ok_or_else(|| self.bad("space directions", wanted));
        }
        let text = self.get("spacings").ok_or(NrrdError::Missing { field: "space directions" })?;
        let spacings = numbers::<f64>(text).filter(|spacings| spacings.len() == axis_count);
        let spacings = spacings.ok_or_else(|| self.bad("spacings", "one number per axis"))?;
        // Axes that are not of space have the spacing NaN.
        let mut axis = 0;
        let step_of = |spacing: f64| {
            (!spacing.is_nan() && axis < 3).then(|| {
                let mut step = [0.0; 3];
                step[axis] = spacing;
                axis += 1;
                step
            })
        };
        Ok(spacings.into_iter().map(step_of).collect())
    }

    fn signs_to_lps(&self, warnings: &mut Vec<String>) -> Result<Vec3, NrrdError> {
        if let Some(units) = self.get("space units") {
            let is_odd = |unit: &&str| !unit.is_empty() && !matches!(*unit, "mm" | "millimeter");
            if let Some(unit) = units.split('"').map(str::trim).find(is_odd) {
                warnings.push(format!("the header says lengths are in {unit:?}: taken as mm"));
            }
        }
        match self.get("space").map(str::to_ascii_lowercase).as_deref() {
            Some("left-posterior-superior" | "lps") => Ok([1.0, 1.0, 1.0]),
            Some("right-anterior-superior" | "ras") => Ok([-1.0, -1.0, 1.0]),
            Some("left-anterior-superior" | "las") => Ok([1.0, -1.0, 1.0]),
            None | Some("scanner-xyz" | "3d-right-handed") => {
                warnings.push(
                    "the header does not say which way the patient lies: axes are taken as to \
                     the left, to the back, upwards, and left may be right"
                        .to_owned(),
                );
                Ok([1.0, 1.0, 1.0])
            }
            Some(_) => Err(self.bad("space", "LPS, RAS or LAS")),
        }
    }
}

/// Numbers with blanks between them.
fn numbers<T: std::str::FromStr>(text: &str) -> Option<Vec<T>> {
    text.split_whitespace().map(|word| word.parse().ok()).collect()
}

/// Vectors such as `(1,0,0) none (0,0.5,0)`, each of three numbers.
fn vectors(text: &str) -> Option<Vec<Option<Vec3>>> {
    let mut vectors = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let after = if let Some(after) = rest.strip_prefix("none") {
            vectors.push(None);
            after
        } else {
            let (vector, after) = rest.strip_prefix('(')?.split_once(')')?;
            let parts: Option<Vec<f64>> =
                vector.split(',').map(|part| part.trim().parse().ok()).collect();
            let vector: Vec3 = parts?.try_into().ok()?;
            // Some programs write a direction that is not one as NaN.
            vectors.push((!vector.iter().all(|part| part.is_nan())).then_some(vector));
            after
        };
        rest = after.trim_start();
    }
    Some(vectors)
}
