//! Values that other programs computed.

use serde_json::Value;

/// Part of a golden, by its path.
pub(crate) fn at<'a>(golden: &'a Value, path: &str) -> &'a Value {
    golden.pointer(path).unwrap_or_else(|| panic!("no golden {path}"))
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

pub(crate) fn bools(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

/// The bar for statistics in closed form.
pub(crate) const CLOSED: f64 = 1e-9;

/// Asserts that two values agree to a relative tolerance.
#[track_caller]
pub(crate) fn assert_close(found: f64, wanted: f64, tolerance: f64, what: &str) {
    let error = (found - wanted).abs() / wanted.abs().max(f64::MIN_POSITIVE);
    assert!(
        found == wanted || error <= tolerance,
        "{what}: {found:?}, wanted {wanted:?}, off by {error:.1e}"
    );
}

#[track_caller]
pub(crate) fn assert_all_close(found: &[f64], wanted: &Value, tolerance: f64, what: &str) {
    let wanted = numbers(wanted);
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert_close(*found, wanted, tolerance, &format!("{what}[{i}]"));
    }
}
