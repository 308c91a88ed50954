//! What every crate's manifest must say.

use std::path::Path;

use crate::{Failure, tree};

/// Fails where a crate does not take the workspace's lints: cargo does not do that by itself, and
/// a crate without them may use `unsafe` and print.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    for (path, text) in tree::manifests(root)? {
        if !takes_workspace_lints(&text)? {
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            return Err(format!("{shown} lacks `[lints]` with `workspace = true`").into());
        }
    }
    Ok(())
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
}
