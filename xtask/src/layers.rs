//! Which crate may name which.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::Failure;

/// Which workspace crates each crate may depend on. The order is the architecture: a crate may
/// only name crates above its own line, so there is no cycle.
const LAYERS: &[(&str, &[&str])] = &[
    ("haema-volume", &[]),
    ("haema-kernels", &[]),
    ("haema-io", &["haema-volume"]),
    ("haema-nn", &["haema-kernels"]),
    ("haema-eval", &["haema-volume"]),
    ("haema-measure", &["haema-volume"]),
    ("haema-sim", &["haema-volume"]),
    ("haema-methods", &["haema-volume", "haema-nn", "haema-measure"]),
    (
        "haema-pipeline",
        &[
            "haema-volume",
            "haema-io",
            "haema-nn",
            "haema-eval",
            "haema-measure",
            "haema-sim",
            "haema-methods",
        ],
    ),
    (
        "haema-cli",
        &[
            "haema-volume",
            "haema-io",
            "haema-nn",
            "haema-eval",
            "haema-measure",
            "haema-sim",
            "haema-methods",
            "haema-pipeline",
        ],
    ),
    ("xtask", &[]),
];

/// Fails where a crate is not in [`LAYERS`] or depends on a workspace crate it may not.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    let metadata = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root)
        .output()?;
    if !metadata.status.success() {
        return Err(String::from_utf8_lossy(&metadata.stderr).into());
    }
    check_metadata(&serde_json::from_slice(&metadata.stdout)?)
}

/// Development dependencies may look anywhere: they are not shipped.
fn check_metadata(metadata: &Value) -> Result<(), Failure> {
    for package in metadata["packages"].as_array().ok_or("cargo metadata: no packages")? {
        let name = package["name"].as_str().ok_or("cargo metadata: package without a name")?;
        let (_, allowed) = LAYERS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("{name} has no line in xtask's LAYERS: give it its place"))?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            let is_ours = LAYERS.iter().any(|(known, _)| *known == on);
            let is_dev = dependency["kind"].as_str() == Some("dev");
            if is_ours && !is_dev && !allowed.contains(&on) {
                return Err(format!("{name} may not depend on {on}: see ARCHITECTURE.md").into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reading_top_to_bottom_no_crate_names_one_below_it() {
        for (i, (name, allowed)) in LAYERS.iter().enumerate() {
            for on in *allowed {
                let is_above = LAYERS[..i].iter().any(|(known, _)| known == on);
                assert!(is_above, "{name} names {on}, which is not above it");
            }
        }
    }

    #[test]
    fn an_upward_edge_is_refused_and_both_ends_are_named() {
        let metadata = json!({"packages": [
            {"name": "haema-volume", "dependencies": [{"name": "haema-io", "kind": null}]}
        ]});

        let failure = check_metadata(&metadata).unwrap_err();

        assert_eq!(
            failure.to_string(),
            "haema-volume may not depend on haema-io: see ARCHITECTURE.md"
        );
    }

    #[test]
    fn a_dev_dependency_may_look_up() {
        let metadata = json!({"packages": [
            {"name": "haema-volume", "dependencies": [{"name": "haema-sim", "kind": "dev"}]}
        ]});

        assert!(check_metadata(&metadata).is_ok());
    }

    #[test]
    fn a_crate_without_a_place_is_refused() {
        let metadata = json!({"packages": [{"name": "haema-attic", "dependencies": []}]});

        let failure = check_metadata(&metadata).unwrap_err();

        assert_eq!(
            failure.to_string(),
            "haema-attic has no line in xtask's LAYERS: give it its place"
        );
    }
}
