//! Known misspellings, found without installing anything.
//!
//! The `typos` tool is two libraries: one takes text apart into words (it knows camel case, hex
//! digits, addresses), the other lists some 60,000 known misspellings. Both are plain Rust and
//! build in seconds, so we call them rather than keep a word list of our own: a list of right words
//! would have to hold every DICOM keyword and every drug. Words of the trade that look wrong, and
//! misspellings of the trade that the list does not know, stand in `_typos.toml`, which the tool
//! itself reads as well.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use typos::{
    Dictionary, Status,
    tokens::{Identifier, Tokenizer, Word},
};
use unicase::UniCase;

use crate::{
    Failure,
    tree::{self, TextFile},
};

/// The name of the file with the words of the trade.
const WORDS_FILE: &str = "_typos.toml";

/// Fails with every misspelling in the project's text files, one a line.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(root.join(WORDS_FILE))
        .map_err(|err| format!("{WORDS_FILE}: {err}"))?;
    let speller = Speller::new(&text)?;
    let found: Vec<String> =
        tree::text_files(root)?.iter().flat_map(|file| speller.misspellings(file)).collect();
    if found.is_empty() { Ok(()) } else { Err(found.join("\n  ").into()) }
}

struct Speller {
    tokenizer: Tokenizer,
    words: Words,
    excluded: Vec<String>,
}

impl Speller {
    /// Reads `[default.extend-words]` and `[files] extend-exclude` of `_typos.toml`.
    fn new(words_file: &str) -> Result<Self, Failure> {
        let table: toml::Table = words_file.parse()?;
        let of_the_trade = table
            .get("default")
            .and_then(|default| default.get("extend-words"))
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .filter_map(|(word, right)| Some((word.to_lowercase(), right.as_str()?.to_owned())))
            .collect();
        let excluded = table
            .get("files")
            .and_then(|files| files.get("extend-exclude"))
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|pattern| Some(pattern.as_str()?.to_owned()))
            .collect();
        Ok(Self { tokenizer: Tokenizer::new(), words: Words { of_the_trade }, excluded })
    }

    fn misspellings(&self, file: &TextFile) -> Vec<String> {
        if self.excluded.iter().any(|pattern| matches(pattern, &file.path)) {
            return Vec::new();
        }
        let in_name = typos::check_str(&file.path, &self.tokenizer, &self.words)
            .map(|typo| format!("{}: the name has {}", file.path, shown(&typo)));
        let in_text = typos::check_str(&file.text, &self.tokenizer, &self.words).map(|typo| {
            let line = 1 + file.text[..typo.byte_offset].matches('\n').count();
            format!("{}:{line} has {}", file.path, shown(&typo))
        });
        in_name.chain(in_text).collect()
    }
}

fn shown(typo: &typos::Typo<'_>) -> String {
    match &typo.corrections {
        Status::Corrections(right) => format!("`{}`: {}?", typo.typo, right.join(", ")),
        _ => format!("`{}`", typo.typo),
    }
}

/// `*.ending`, `start*` or a whole path; the tool itself knows more, we need no more.
fn matches(pattern: &str, path: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(ending), _) => path.ends_with(ending),
        (_, Some(start)) => path.starts_with(start),
        _ => path == pattern,
    }
}

/// The list of the `typos` tool, after the words of the trade.
struct Words {
    of_the_trade: BTreeMap<String, String>,
}

impl Dictionary for Words {
    fn correct_ident<'s>(&'s self, _: Identifier<'_>) -> Option<Status<'s>> {
        None
    }

    fn correct_word<'s>(&'s self, word: Word<'_>) -> Option<Status<'s>> {
        let word = word.token();
        if let Some(right) = self.of_the_trade.get(&word.to_lowercase()) {
            let is_right = right.eq_ignore_ascii_case(word);
            let correction = Status::Corrections(vec![Cow::Borrowed(right.as_str())]);
            return Some(if is_right { Status::Valid } else { correction });
        }
        let right = typos_dict::WORD.find(&UniCase::new(word))?;
        Some(Status::Corrections(right.iter().map(|&word| Cow::Borrowed(word)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speller() -> Speller {
        Speller::new(&std::fs::read_to_string(tree::root().join(WORDS_FILE)).unwrap()).unwrap()
    }

    fn misspellings(path: &str, text: &str) -> Vec<String> {
        speller().misspellings(&TextFile { path: path.to_owned(), text: text.to_owned() })
    }

    // Spelled apart, so that the check does not find its own test.
    #[test]
    fn a_planted_misspelling_is_found_with_its_line() {
        let text = format!("one line\nfn {}ieve_slices() {{}}\n", "rec");

        let found = misspellings("src/lib.rs", &text);

        assert_eq!(found, [format!("src/lib.rs:2 has `{}ieve`: receive?", "rec")]);
    }

    #[test]
    fn a_misspelling_of_the_trade_is_found() {
        let text = ["an intracranial haemo", "rage in Hounsf", "eld units"].concat();

        assert_eq!(misspellings("README.md", &text).len(), 2);
    }

    #[test]
    fn words_of_the_trade_are_right() {
        let text = "haemorrhage, hemorrhage, haematoma, ThicknessNormalise, unshear, parenchymal, \
                    MONOCHROME1, PixelPaddingRangeLimit, sform, qform, voxels, falx, tentorium, \
                    HTJ2K, JPEG-LS, RescaleSlope, NIfTI, DICOMDIR, artefact, CLAHE, Dice";

        assert_eq!(misspellings("README.md", text), Vec::<String>::new());
    }

    #[test]
    fn excluded_files_are_left_alone() {
        let text = format!("{}ieve", "rec");

        assert!(misspellings("Cargo.lock", &text).is_empty());
        assert_eq!(misspellings("Cargo.toml", &text).len(), 1);
    }
}
