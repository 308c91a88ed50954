//! What every crate's manifest must say.

use std::path::Path;

use crate::{Failure, tree};

/// Fails where a crate does not take the workspace's lints: cargo does not do that by itself, and
/// a crate without them may use `unsafe` and print. The workspace in `gpu/` must repeat them.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    for (path, text) in tree::manifests(root)? {
        if !takes_workspace_lints(&text)? {
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            return Err(format!("{shown} lacks `[lints]` with `workspace = true`").into());
        }
    }
    let read = |path: &str| {
        let text = std::fs::read_to_string(root.join(path)).map_err(|err| format!("{path}: {err}"));
        Ok::<toml::Table, Failure>(text?.parse()?)
    };
    let drifted = drifted(&read("gpu/Cargo.toml")?, &read("Cargo.toml")?);
    if !drifted.is_empty() {
        let drifted = drifted.join(", ");
        return Err(format!("gpu/Cargo.toml differs from Cargo.toml: copy {drifted}").into());
    }
    Ok(())
}

/// What a manifest of another workspace, which cannot take ours, must repeat and does not: the lints,
/// and what is said of every package, its licence among it.
fn drifted(manifest: &toml::Table, workspace: &toml::Table) -> Vec<String> {
    let of = |part: &str| workspace.get("workspace").and_then(|table| table.get(part)).cloned();
    let mut wanted = vec![("lints".to_owned(), manifest.get("lints"), of("lints"))];
    let package = of("package");
    for (key, value) in package.iter().filter_map(toml::Value::as_table).flatten() {
        let found = manifest.get("package").and_then(|package| package.get(key));
        wanted.push((format!("package.{key}"), found, Some(value.clone())));
    }
    wanted.retain(|(_, found, wanted)| *found != wanted.as_ref());
    wanted.into_iter().map(|(name, ..)| name).collect()
}

fn takes_workspace_lints(manifest: &str) -> Result<bool, Failure> {
    let manifest: toml::Table = manifest.parse()?;
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    Ok(lints.and_then(toml::Value::as_bool) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_found() {
        assert!(takes_workspace_lints("[lints]\nworkspace = true\n").unwrap());
        assert!(!takes_workspace_lints("[package]\nname = \"haema-new\"\n").unwrap());
        assert!(!takes_workspace_lints("[lints]\nworkspace = false\n").unwrap());
    }

    #[test]
    fn what_was_copied_and_drifted_is_found() {
        let ours = "[workspace.package]\nlicense = \"MIT\"\n[workspace.lints.rust]\nunsafe_code = \"deny\"\n";
        let of = |text: &str| drifted(&text.parse().unwrap(), &ours.parse().unwrap());
        let package = "[package]\nname = \"haema-gpu\"\nlicense = \"MIT\"\n";
        let lints = "[lints.rust]\nunsafe_code = \"deny\"\n";

        assert!(of(&format!("{package}{lints}")).is_empty());
        assert_eq!(of(package), ["lints"]);
        assert_eq!(of(&format!("{package}{}", lints.replace("deny", "warn"))), ["lints"]);
        assert_eq!(
            of(&format!("{}{lints}", package.replace("MIT", "GPL-3.0"))),
            ["package.license"]
        );
    }
}
