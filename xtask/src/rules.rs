//! House rules that neither rustfmt nor clippy knows.

use std::path::Path;

use crate::{
    Failure,
    tree::{self, TextFile},
};

/// The limit of the house; the aim is half of it.
const MOST_LINES: usize = 800;

/// Crates that open no file, read no clock and no environment: the same input gives the same
/// output, and a test of theirs needs nothing around it.
const PURE_CRATES: [&str; 5] =
    ["haema-volume", "haema-kernels", "haema-eval", "haema-measure", "haema-sim"];

/// What a pure crate may not name.
const IMPURE: [&str; 5] = ["std::fs", "std::env", "std::net", "std::process", "std::time"];

/// Fails with every breach of every rule, one a line.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    let breaches: Vec<String> = tree::text_files(root)?.iter().flat_map(breaches).collect();
    if breaches.is_empty() { Ok(()) } else { Err(breaches.join("\n  ").into()) }
}

fn breaches(file: &TextFile) -> Vec<String> {
    let is_rust = Path::new(&file.path).extension().is_some_and(|extension| extension == "rs");
    let mut found = private_paths(file);
    if is_rust {
        found.extend(length(file));
        found.extend(unsafety(file));
        found.extend(impurity(file));
    }
    found
}

fn length(file: &TextFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > MOST_LINES)
        .then(|| format!("{} has {lines} lines: split it, {MOST_LINES} is the limit", file.path))
}

/// Only haema-kernels may hold unsafe code. The lint alone would let any file opt out.
fn unsafety(file: &TextFile) -> Vec<String> {
    // Spelled apart, so that this file does not match itself.
    let forms = ["{", "fn", "impl", "trait", "extern"].map(|next| format!("{} {next}", "unsafe"));
    let opt_out = format!("({}_code", "unsafe");
    if file.path.starts_with("crates/haema-kernels/") {
        return Vec::new();
    }
    lines_of_code(&file.text)
        .filter(|(_, line)| {
            forms.iter().any(|form| line.contains(form.as_str())) || line.contains(&opt_out)
        })
        .map(|(n, _)| format!("{}:{n} holds unsafe code: only haema-kernels may", file.path))
        .collect()
}

fn impurity(file: &TextFile) -> Vec<String> {
    let is_pure =
        PURE_CRATES.iter().any(|name| file.path.starts_with(&format!("crates/{name}/src/")));
    if !is_pure || file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    lines_of_code(&file.text)
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter_map(|(n, line)| {
            let named = IMPURE.iter().find(|name| line.contains(*name))?;
            Some(format!("{}:{n} names {named}: this crate is pure", file.path))
        })
        .collect()
}

/// Paths of somebody's machine are of no use to anyone else, and may name a person.
fn private_paths(file: &TextFile) -> Vec<String> {
    let folders = ["root", "home", "Users", "work"].map(|folder| format!("/{folder}/"));
    let is_start = |before: &str| {
        before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._-)}/".contains(c))
    };
    file.text
        .lines()
        .enumerate()
        .filter_map(|(i, line)| {
            let folder = folders.iter().find(|folder| {
                line.match_indices(folder.as_str()).any(|(at, _)| is_start(&line[..at]))
            })?;
            Some(format!("{}:{} holds a path of a private machine ({folder})", file.path, i + 1))
        })
        .collect()
}

/// Lines with their numbers from 1, without those that are comments as a whole.
fn lines_of_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches_of(path: &str, text: &str) -> Vec<String> {
        breaches(&TextFile { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn a_file_over_the_limit_is_named_with_its_length() {
        let found = breaches_of("crates/haema-io/src/dicom.rs", &"//\n".repeat(801));

        assert_eq!(
            found,
            ["crates/haema-io/src/dicom.rs has 801 lines: split it, 800 is the limit"]
        );
        assert!(breaches_of("crates/haema-io/src/dicom.rs", &"//\n".repeat(800)).is_empty());
    }

    #[test]
    fn unsafe_code_is_found_outside_the_kernels_only() {
        let code = format!("fn f() {{\n    {} {{ g() }}\n}}\n", "unsafe");
        let opt_out = format!("#![expect({}_code, reason = \"fast\")]\n", "unsafe");

        assert_eq!(breaches_of("crates/haema-nn/src/lib.rs", &code).len(), 1);
        assert_eq!(breaches_of("crates/haema-nn/src/lib.rs", &opt_out).len(), 1);
        assert!(breaches_of("crates/haema-kernels/src/lib.rs", &code).is_empty());
        let comment = format!("// no {} fn here\n", "unsafe");
        assert!(breaches_of("crates/haema-nn/src/lib.rs", &comment).is_empty());
    }

    #[test]
    fn a_pure_crate_may_not_read_the_clock_but_its_tests_may() {
        let clock = "use std::time::Instant;\n";

        assert_eq!(breaches_of("crates/haema-volume/src/grid.rs", clock).len(), 1);
        assert!(breaches_of("crates/haema-cli/src/main.rs", clock).is_empty());
        let in_tests = format!("#[cfg(test)]\nmod tests {{\n    {clock}}}\n");
        assert!(breaches_of("crates/haema-volume/src/grid.rs", &in_tests).is_empty());
    }

    #[test]
    fn a_private_path_is_found_in_any_text_and_a_relative_one_is_not() {
        let private = format!("see /{}/someone/notes.txt\n", "home");

        assert_eq!(breaches_of("docs/notes.md", &private).len(), 1);
        assert!(breaches_of("docs/notes.md", "see ../shared/home/x and a.b/home/x\n").is_empty());
    }
}
