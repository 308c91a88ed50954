//! The schemas in `docs/schema/`, held against what is written: as much of JSON Schema as they use, and
//! an error for whatever else they might say.

use serde_json::Value;

/// Of `report.json`.
pub(crate) const REPORT: &str = include_str!("../../../docs/schema/report.schema.json");
/// Of `compare.json`.
pub(crate) const COMPARE: &str = include_str!("../../../docs/schema/compare.schema.json");

/// What of a document is not as its schema has it; each with its place.
pub(crate) fn failures(schema: &str, document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut failures = Vec::new();
    check(&schema, &schema, document, "", &mut failures);
    failures
}

fn check(top: &Value, schema: &Value, found: &Value, at: &str, failures: &mut Vec<String>) {
    for (word, wanted) in schema.as_object().unwrap() {
        let is_right = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(top, &top["$defs"][name], found, at, failures);
                true
            }
            "type" => is_of_type(found, wanted.as_str().unwrap()),
            "const" => found == wanted,
            "enum" => wanted.as_array().unwrap().contains(found),
            "minimum" => found.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
            "minItems" => {
                found.as_array().is_none_or(|all| all.len() as u64 >= wanted.as_u64().unwrap())
            }
            "maxItems" => {
                found.as_array().is_none_or(|all| all.len() as u64 <= wanted.as_u64().unwrap())
            }
            "anyOf" => wanted.as_array().unwrap().iter().any(|one| {
                let mut inner = Vec::new();
                check(top, one, found, at, &mut inner);
                inner.is_empty()
            }),
            "items" => {
                for (i, item) in found.as_array().into_iter().flatten().enumerate() {
                    check(top, wanted, item, &format!("{at}/{i}"), failures);
                }
                true
            }
            "required" => wanted.as_array().unwrap().iter().all(|name| {
                found.as_object().is_none_or(|fields| fields.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, inner) in wanted.as_object().unwrap() {
                    if let Some(value) = found.get(name) {
                        check(top, inner, value, &format!("{at}/{name}"), failures);
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(wanted, &Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                found
                    .as_object()
                    .is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
            }
            other => panic!("a word of JSON Schema that this test does not know: {other}"),
        };
        if !is_right {
            failures.push(format!("{at}: {word} {wanted}: found {found}"));
        }
    }
}

fn is_of_type(found: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => found.is_object(),
        "array" => found.is_array(),
        "string" => found.is_string(),
        "boolean" => found.is_boolean(),
        "null" => found.is_null(),
        "number" => found.is_number(),
        "integer" => found.is_u64() || found.is_i64(),
        other => panic!("no type of JSON: {other}"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    let right = serde_json::to_value(crate::report::tests::report()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        failures(REPORT, &wrong)
    };

    assert_eq!(failures(REPORT, &right), Vec::<String>::new());
    let more = with(&|report| report["lesions"][0]["colour"] = "red".into());
    assert!(more[0].starts_with("/lesions/0: additionalProperties"), "{more:?}");
    let less = with(&|report| drop(report["gate"].as_object_mut().unwrap().remove("verdict")));
    assert!(less[0].starts_with("/gate: required"), "{less:?}");
    let other = with(&|report| report["gate"]["verdict"] = "splendid".into());
    assert!(other[0].starts_with("/gate/verdict: enum"), "{other:?}");
    assert_eq!(
        with(&|report| report["clinical"]["volume_interval"]["lower_ml"] = "1".into()).len(),
        1
    );
    assert_eq!(with(&|report| report["schema"] = "haema.report/0".into()).len(), 1);
}
