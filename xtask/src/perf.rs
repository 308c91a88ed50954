//! `cargo xtask perf`: instructions that fixed pieces of work take, against the committed record.
//!
//! Times on a shared machine vary by tens of percent; counts of instructions by less than one. They
//! are no times, but what makes a program slower by accident shows in them.

mod record;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::{Failure, tree};
use record::{Record, Verdict};

/// Where the counts of the last `--update` stand.
const RECORD: &str = "benchmarks/instructions.toml";
/// The program that does the pieces of work.
const BENCH: &str = "instructions";
/// Exit code where instructions cannot be counted or compared here: not a failure of the code.
const PASSED_OVER: u8 = 3;

/// Counts, and compares with the record or, with `--update`, writes it.
pub(crate) fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let is_update = match args {
        [] => false,
        [only] if only == "--update" => true,
        _ => {
            return Err(
                format!("`perf {}`: wanted `perf` or `perf --update`", args.join(" ")).into()
            );
        }
    };
    let root = tree::root();
    let Ok(valgrind) = first_line(Command::new("valgrind").arg("--version")) else {
        println!("passed over: valgrind is not installed, and counts the instructions");
        println!(
            "hint: `apt-get install valgrind`, `dnf install valgrind`, or `brew install valgrind`"
        );
        return Ok(ExitCode::from(PASSED_OVER));
    };
    let program = build(root)?;
    let listed = counter().arg(&program).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let named = |word: &str| -> Vec<String> {
        listed.lines().filter_map(|line| line.strip_prefix(word)).map(str::to_owned).collect()
    };
    let door = named("door ").pop().ok_or("the program does not run under valgrind")?;
    let mut counts = Vec::new();
    for name in named("workload ") {
        let count = count(&program, &name)?;
        println!("{name:<16}{count:>16}");
        counts.push((name, count));
    }
    let found = Record {
        rustc: first_line(Command::new("rustc").arg("--version"))?,
        valgrind,
        door,
        counts,
    };
    let path = root.join(RECORD);
    if is_update {
        std::fs::write(&path, found.to_toml())?;
        println!("written to {RECORD}");
        return Ok(ExitCode::SUCCESS);
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{RECORD}: {error}: make it with `cargo xtask perf --update`"))?;
    judge(&Record::from_toml(&text)?, &found)
}

fn judge(wanted: &Record, found: &Record) -> Result<ExitCode, Failure> {
    if wanted.door != found.door {
        println!(
            "passed over: valgrind offers {} here, the record was made with {}",
            found.door, wanted.door
        );
        return Ok(ExitCode::from(PASSED_OVER));
    }
    if (&wanted.rustc, &wanted.valgrind) != (&found.rustc, &found.valgrind) {
        println!("note: the record was made with {} and {}", wanted.rustc, wanted.valgrind);
        println!("      this is {} and {}", found.rustc, found.valgrind);
    }
    match wanted.compare(found) {
        Verdict::Holds { notes } => {
            for note in notes {
                println!("{note}");
            }
            println!("all within {} % of {RECORD}", record::TOLERANCE_PERCENT);
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Worse { what } => Err(format!(
            "more instructions than {RECORD} allows:\n  {}\nhint: find out why; where it is worth it, \
             `cargo xtask perf --update` and say why in the commit",
            what.join("\n  ")
        )
        .into()),
    }
}

/// Builds the pieces of work as they are shipped, and finds the program.
fn build(root: &Path) -> Result<PathBuf, Failure> {
    let built = Command::new("cargo")
        .args(["bench", "--quiet", "--package", "haema-cli", "--bench", BENCH, "--no-run"])
        .arg("--message-format=json")
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !built.status.success() {
        return Err("the pieces of work do not compile".into());
    }
    let program = String::from_utf8(built.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == BENCH)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.ok_or_else(|| "cargo does not say where the program is".into())
}

fn counter() -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.args(["--toggle-collect=*measured_part*", "--collect-atstart=no"]);
    valgrind
}

/// Instructions of one piece of work.
fn count(program: &Path, name: &str) -> Result<u64, Failure> {
    let ended = counter().arg(program).arg(name).output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    if !ended.status.success() {
        return Err(format!("{name} failed under valgrind:\n{said}").into());
    }
    let line = said.lines().find_map(|line| line.split_once("Collected : "));
    let count: u64 = line.ok_or("valgrind tells no count")?.1.trim().parse()?;
    if count == 0 {
        return Err(format!("{name}: nothing was counted: is `measured_part` inlined?").into());
    }
    Ok(count)
}

fn first_line(command: &mut Command) -> Result<String, Failure> {
    let said = String::from_utf8(command.output()?.stdout)?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}
