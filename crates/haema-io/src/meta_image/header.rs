//! The text before `MetaImage`'s voxels.
//!
//! # Source
//!
//! `MetaIO` documentation, itk.org/Wiki/MetaIO/Documentation; the orientation of `TransformMatrix`
//! as ITK reads it, held by goldens.

use std::collections::BTreeMap;
use std::io::BufRead;

use haema_volume::{Affine, Vec3};

use super::MetaImageError;
use crate::voxels::{HeaderLines, Layout, NumberType, Packing, checked_size};

/// What the reader needs of a header.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) layout: Layout,
    pub(super) lps_from_index: Affine,
    pub(super) packing: Packing,
    pub(super) byte_skip: u64,
    /// `LOCAL`, or the name of a file.
    pub(super) data_file: String,
    /// What is doubtful about the geometry, in plain words.
    pub(super) warnings: Vec<String>,
}

/// The lines `Key = Value`.
struct Fields(BTreeMap<String, String>);

/// The key that ends a header.
const LAST_KEY: &str = "ElementDataFile";

impl Header {
    /// Reads the header, and leaves the source at the first voxel.
    pub(super) fn read(source: impl BufRead) -> Result<Self, MetaImageError> {
        let mut lines = HeaderLines::new(source);
        let mut fields = Fields(BTreeMap::new());
        let mut line_number = 0;
        while let Some(line) = lines.next_line()? {
            line_number += 1;
            let Some((key, value)) = line.split_once('=') else {
                if line.trim().is_empty() {
                    continue;
                }
                let found = line.chars().take(40).collect();
                return Err(MetaImageError::NotMetaImage { line: line_number, found });
            };
            let key = key.trim().to_owned();
            let is_last = key == LAST_KEY;
            fields.0.insert(key, value.trim().to_owned());
            if is_last {
                return fields.header();
            }
        }
        Err(MetaImageError::Missing { key: LAST_KEY })
    }
}

impl Fields {
    /// The value of the first of these keys that is there: the format has had several names for
    /// one thing.
    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.0.get(*key)).map(String::as_str)
    }

    fn bad(&self, key: &'static str, wanted: &'static str) -> MetaImageError {
        let found = self.get(&[key]).unwrap_or_default().chars().take(80).collect();
        MetaImageError::BadValue { key, found, wanted }
    }

    fn numbers<T: std::str::FromStr>(
        &self,
        keys: &[&'static str],
        count: usize,
    ) -> Result<Option<Vec<T>>, MetaImageError> {
        let Some(text) = self.get(keys) else { return Ok(None) };
        let numbers: Option<Vec<T>> =
            text.split_whitespace().map(|word| word.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.len() == count);
        numbers.map(Some).ok_or_else(|| MetaImageError::BadValue {
            key: keys[0],
            found: text.chars().take(80).collect(),
            wanted: "as many numbers as the axes ask for",
        })
    }

    fn flag(&self, key: &'static str) -> Result<bool, MetaImageError> {
        match self.get(&[key]).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(self.bad(key, "True or False")),
        }
    }

    fn header(&self) -> Result<Header, MetaImageError> {
        if !matches!(self.get(&["ObjectType"]), None | Some("Image")) {
            return Err(self.bad("ObjectType", "Image"));
        }
        if !matches!(self.get(&["ElementNumberOfChannels"]), None | Some("1")) {
            return Err(self.bad("ElementNumberOfChannels", "1: one number per voxel"));
        }
        if self.get(&["BinaryData"]).is_some() && !self.flag("BinaryData")? {
            return Err(self.bad("BinaryData", "True: numbers as text are not read"));
        }
        let byte_skip = self.get(&["HeaderSize"]).unwrap_or("0").parse();
        let byte_skip =
            byte_skip.ok().ok_or_else(|| self.bad("HeaderSize", "a number from 0 on"))?;
        let is_packed = self.flag("CompressedData")?;
        let is_big_endian = if self.get(&["BinaryDataByteOrderMSB"]).is_some() {
            self.flag("BinaryDataByteOrderMSB")?
        } else {
            self.flag("ElementByteOrderMSB")?
        };
        let number_type = self.number_type()?;
        let (size, lps_from_index) = self.geometry()?;
        let mut warnings = Vec::new();
        if let Some(unit) = self.get(&["DistanceUnits"]).filter(|unit| *unit != "mm") {
            warnings.push(format!("the header says lengths are in {unit:?}: taken as mm"));
        }
        Ok(Header {
            layout: Layout { size, number_type, is_big_endian, rescale: None },
            lps_from_index,
            packing: if is_packed { Packing::Zlib } else { Packing::Plain },
            byte_skip,
            data_file: self.get(&[LAST_KEY]).unwrap_or_default().to_owned(),
            warnings,
        })
    }

    fn number_type(&self) -> Result<NumberType, MetaImageError> {
        let key = "ElementType";
        Ok(match self.get(&[key]).ok_or(MetaImageError::Missing { key })? {
            "MET_CHAR" => NumberType::I8,
            "MET_UCHAR" => NumberType::U8,
            "MET_SHORT" => NumberType::I16,
            "MET_USHORT" => NumberType::U16,
            // MetaIO's long has four bytes, whatever the compiler's has.
            "MET_INT" | "MET_LONG" => NumberType::I32,
            "MET_UINT" | "MET_ULONG" => NumberType::U32,
            "MET_LONG_LONG" => NumberType::I64,
            "MET_ULONG_LONG" => NumberType::U64,
            "MET_FLOAT" => NumberType::F32,
            "MET_DOUBLE" => NumberType::F64,
            _ => return Err(self.bad(key, "whole or real numbers, such as MET_SHORT")),
        })
    }

    /// Size `[z, y, x]` and affine. Axes beyond the third may be there with one voxel each.
    fn geometry(&self) -> Result<([usize; 3], Affine), MetaImageError> {
        let axes: usize = self
            .get(&["NDims"])
            .ok_or(MetaImageError::Missing { key: "NDims" })?
            .parse()
            .ok()
            .filter(|axes| (1..=8).contains(axes))
            .ok_or_else(|| self.bad("NDims", "3"))?;
        let sizes = self.numbers::<u64>(&["DimSize"], axes)?;
        let found = sizes.ok_or(MetaImageError::Missing { key: "DimSize" })?;
        let size = match found.as_slice() {
            [x, y, z, more @ ..] if more.iter().all(|&axis| axis == 1) => [*x, *y, *z],
            _ => return Err(MetaImageError::BadShape { found }),
        };
        if size.contains(&0) {
            return Err(MetaImageError::BadShape { found });
        }
        let size = checked_size(size)?;

        let spacings = self.numbers::<f64>(&["ElementSpacing", "ElementSize"], axes)?;
        let spacings = spacings.ok_or(MetaImageError::Missing { key: "ElementSpacing" })?;
        let origin = self.numbers::<f64>(&["Offset", "Position", "Origin"], axes)?;
        let origin = origin.unwrap_or_else(|| vec![0.0; axes]);
        let matrix = self
            .numbers::<f64>(&["TransformMatrix", "Rotation", "Orientation"], axes * axes)?
            .unwrap_or_else(|| identity(axes));
        // The first numbers of the matrix are the direction of the first axis.
        let step = |axis: usize| -> Vec3 {
            std::array::from_fn(|i| matrix[axis * axes + i] * spacings[axis])
        };
        let origin = [origin[0], origin[1], origin[2]];
        Ok((size, Affine::from_steps(step(0), step(1), step(2), origin)))
    }
}

fn identity(axes: usize) -> Vec<f64> {
    (0..axes * axes).map(|i| if i % (axes + 1) == 0 { 1.0 } else { 0.0 }).collect()
}
