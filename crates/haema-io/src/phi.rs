//! Values that identify a person, or may.
//!
//! They enter through this crate and stop here: none of these types prints its content, and none
//! is part of what [`crate::Scan`] carries. A short pseudonym is the only thing that leaves.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A DICOM unique identifier of a series, image or frame of reference. It prints as `Uid(…)`:
/// whoever has the archive can look the patient up by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uid(String);

impl Uid {
    /// Wraps an identifier as read from a header.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// Whether the header has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the identifier that the user typed.
    pub fn is(&self, typed: &str) -> bool {
        self.0 == typed.trim()
    }

    /// A short name that cannot be turned back: `prefix`, a dash, and 8 hexadecimal digits of the
    /// SHA-256 of the identifier.
    ///
    /// Eight digits tell four billion series apart; a chance of one in a million that any two of
    /// 90 collide is small enough for folder names, which are checked for existence anyway.
    pub fn pseudonym(&self, prefix: &str) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        format!("{prefix}-{}", hex(&digest[..4]))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uid(…)")
    }
}

/// Text that a person typed, such as _Series Description_: it may hold a name. It can be searched
/// for words, and does not come out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FreeText(String);

impl FreeText {
    /// Wraps a text as read from a header.
    pub fn new(raw: &str) -> Self {
        Self(raw.to_uppercase())
    }

    /// Which of the given words, in capitals, stands in the text as a whole word; the first in the
    /// order given. What is returned is the caller's word, not the text.
    pub fn first_of(&self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.has_word(word))
    }

    fn has_word(&self, word: &str) -> bool {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        self.0.match_indices(word).any(|(at, _)| {
            let before = self.0[..at].chars().next_back();
            let after = self.0[at + word.len()..].chars().next();
            !is_letter(before) && !is_letter(after)
        })
    }
}

impl fmt::Debug for FreeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreeText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_leak() {
        assert!(!format!("{:?}", Uid::new("1.2.4711")).contains("4711"));
        assert!(!format!("{:?}", FreeText::new("Doe head")).contains("DOE"));
    }

    #[test]
    fn a_pseudonym_is_the_start_of_a_sha256() {
        // sha256sum of the empty input.
        assert_eq!(Uid::new("").pseudonym("ct"), "ct-e3b0c442");
    }

    #[test]
    fn words_are_whole_words() {
        let text = FreeText::new("Hd w/o, Contrasty cta-neck");

        assert_eq!(text.first_of(&["CONTRAST", "CTA"]), Some("CTA"));
        assert_eq!(text.first_of(&["W/O"]), Some("W/O"));
        assert_eq!(text.first_of(&["NECKS"]), None);
    }
}
