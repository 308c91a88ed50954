//! `cargo xtask check`: everything that must hold before a commit, cheapest first.

use std::{path::Path, process::Command, time::Instant};

use crate::{Failure, layers, manifest, rules, spelling, tree};

/// One thing that must hold.
pub(crate) struct Step {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it makes sure of.
    pub(crate) what: &'static str,
    /// What to do where it does not hold.
    remedy: &'static str,
    run: fn(&Path) -> Result<(), Failure>,
}

/// The README's own test command; a test below holds the README to it. It runs doc tests as well.
const TEST_COMMAND: &str = "cargo test --workspace";

/// Every step in the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "rustfmt has nothing to change",
        remedy: "run `cargo fmt --all`, and the same with `--manifest-path gpu/Cargo.toml`",
        run: |root| {
            cargo(root, "cargo fmt --all --check", &[])?;
            cargo(root, "cargo fmt --manifest-path gpu/Cargo.toml --check", &[])
        },
    },
    Step {
        name: "spelling",
        what: "no known misspelling in a tracked file or its name",
        remedy: "correct the word, or enter it in _typos.toml where it is right",
        run: spelling::check,
    },
    Step {
        name: "layers",
        what: "each crate names only crates of lower floors",
        remedy: "see \"Rooms\" in ARCHITECTURE.md: move the code, or change the plan and LAYERS",
        run: layers::check,
    },
    Step {
        name: "manifests",
        what: "each crate takes the workspace's lints",
        remedy: "add the lines to the crate's Cargo.toml",
        run: manifest::check,
    },
    Step {
        name: "rules",
        what: "file length, unsafe code, purity and paths keep to the house rules",
        remedy: "see \"Rules that a check holds\" in CONTRIBUTING.md",
        run: rules::check,
    },
    Step {
        name: "clippy",
        what: "no warning from the compiler or clippy",
        remedy: "mend it, or `#[expect(lint, reason = \"...\")]` where the lint is wrong",
        run: |root| cargo(root, "cargo clippy --workspace --all-targets -- -D warnings", &[]),
    },
    Step {
        name: "tests",
        what: "every test and doc test passes",
        remedy: "run the one test again: `cargo test -p CRATE NAME`",
        run: |root| cargo(root, TEST_COMMAND, &[]),
    },
    Step {
        name: "docs",
        what: "rustdoc has no warning",
        remedy: "mend the link or the comment that rustdoc names",
        run: |root| {
            cargo(root, "cargo doc --workspace --no-deps", &[("RUSTDOCFLAGS", "-D warnings")])
        },
    },
];

/// Runs the named steps, or all, and stops at the first that does not hold.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        return Err(format!("`{unknown}` is not a step: see `cargo xtask help`").into());
    }
    let root = tree::root();
    let started = Instant::now();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|n| n == step.name))
    {
        println!("== {}: {}", step.name, step.what);
        let step_started = Instant::now();
        (step.run)(root).map_err(|failure| {
            format!("{} does not hold: {failure}\nhint: {}", step.name, step.remedy)
        })?;
        println!("== {}: ok, {:.1} s", step.name, step_started.elapsed().as_secs_f64());
    }
    println!("== all ok, {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command line whose words hold no spaces, with its output left on the terminal.
fn cargo(root: &Path, line: &str, variables: &[(&str, &str)]) -> Result<(), Failure> {
    let mut words = line.split(' ');
    let program = words.next().ok_or("an empty command line")?;
    let status = Command::new(program)
        .args(words)
        .envs(variables.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|err| format!("cannot start `{line}`: {err}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_gives_the_very_test_command_that_the_check_runs() {
        let readme = std::fs::read_to_string(tree::root().join("README.md")).unwrap();

        assert!(
            readme.lines().any(|line| line == TEST_COMMAND),
            "README.md has no line `{TEST_COMMAND}`"
        );
    }

    #[test]
    fn an_unknown_step_is_refused_and_named() {
        let failure = run(&["polish".to_owned()]).unwrap_err();

        assert_eq!(failure.to_string(), "`polish` is not a step: see `cargo xtask help`");
    }
}
