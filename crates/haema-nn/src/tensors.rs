//! Named arrays in a safetensors file: what other programs hand us, or take from us.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Precision;
use crate::params::{WeightsError, decode, encode};

/// An array with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, the last axis fastest.
    pub values: Vec<f32>,
}

fn format_error(reason: impl std::fmt::Display) -> WeightsError {
    WeightsError::Format { reason: reason.to_string() }
}

/// Arrays as a safetensors file, in 32 bits.
///
/// # Errors
///
/// [`WeightsError::Format`] where an array has not as many values as its shape says.
pub fn to_bytes(tensors: &[NamedTensor]) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|tensor| encode(&tensor.values, Precision::F32)).collect();
    let mut views = Vec::new();
    for (tensor, bytes) in tensors.iter().zip(&bytes) {
        let view =
            TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(format_error)?;
        views.push((tensor.name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(format_error)
}

/// All arrays of a safetensors file, sorted by name.
///
/// # Errors
///
/// [`WeightsError::Format`] where it is none, or an array has values of another kind than 32 or 16
/// bits floating point; [`WeightsError::NotFinite`].
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<NamedTensor>, WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(format_error)?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let shape = view.shape().to_vec();
        let mut values = vec![0.0; shape.iter().product()];
        decode(&view, &mut values)
            .map_err(|reason| format_error(format!("tensor {name}: {reason}")))?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(WeightsError::NotFinite { name: name.to_owned() });
        }
        tensors.push(NamedTensor { name: name.to_owned(), shape, values });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arrays_come_back_as_they_were() {
        let tensor = |name: &str, shape: Vec<usize>| {
            let values = (0..shape.iter().product()).map(|i: usize| i as f32 - 1.5).collect();
            NamedTensor { name: name.into(), shape, values }
        };
        let tensors = [tensor("b/kernel", vec![1, 2, 3]), tensor("c", vec![])];

        assert_eq!(from_bytes(&to_bytes(&tensors).unwrap()).unwrap(), tensors);
    }

    #[test]
    fn a_value_that_is_no_number_is_refused_and_named() {
        let tensor = NamedTensor { name: "a".into(), shape: vec![1], values: vec![f32::NAN] };

        let error = from_bytes(&to_bytes(&[tensor]).unwrap()).unwrap_err();

        assert_eq!(error.to_string(), "parameter a has a value that is not finite");
    }

    proptest! {
        #[test]
        fn any_bytes_are_arrays_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let header = b"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
            let mut file = (header.len() as u64).to_le_bytes().to_vec();
            file.extend(header);
            file.extend(&bytes);
            for bytes in [&bytes, &file] {
                if let Ok(tensors) = from_bytes(bytes) {
                    prop_assert!(tensors.iter().all(|t| t.values.len() <= bytes.len()));
                }
            }
        }
    }
}
