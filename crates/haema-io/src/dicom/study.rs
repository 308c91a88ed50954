//! Every file at a path, its header, and what the series in them are.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;

use haema_volume::parallel;

use super::choose::{self, Usable, describe, judge, reason_taken, refusal_by_header};
use super::error::{DicomError, FileError, counted};
use super::files::{Files, Looked};
use super::header::Header;
use super::refusal::Refusal;
use super::source::Source;
use super::stack::{Image, group, stacks};
use crate::phi::Uid;
use crate::scan::SeriesReport;

/// Damaged files that are named one by one; more are counted.
const NAMED_MAX: usize = 5;

/// The headers of all files at a path.
pub(crate) struct Study {
    files: Files,
    headers: Vec<(usize, Header)>,
    not_dicom: usize,
    damaged: Vec<(usize, FileError)>,
}

impl Study {
    /// Reads the header of every file.
    pub(crate) fn open(path: &Path, threads: NonZeroUsize) -> Result<Self, DicomError> {
        let source = Source::open(path)?;
        if source.len() == 0 {
            return Err(DicomError::Empty);
        }
        let files = Files::new(source);
        let looked = parallel::map(0..files.source().len(), threads, |_, file| files.look(file));
        let mut study = Self { files, headers: Vec::new(), not_dicom: 0, damaged: Vec::new() };
        for (file, looked) in looked.into_iter().enumerate() {
            match looked {
                Looked::Image(header) => study.headers.push((file, *header)),
                Looked::Directory => {}
                Looked::Damaged(FileError::NotDicom) => study.not_dicom += 1,
                Looked::Damaged(error) => study.damaged.push((file, error)),
            }
        }
        study.check_any(path)
    }

    fn check_any(mut self, path: &Path) -> Result<Self, DicomError> {
        if !self.headers.is_empty() {
            return Ok(self);
        }
        let file_count = self.damaged.len();
        let is_one_file = !path.is_dir() && self.files.source().len() == 1;
        Err(match self.damaged.drain(..).next() {
            Some((_, error)) if is_one_file => DicomError::File(error),
            Some((_, error)) => DicomError::NoneReadable { file_count, first: Box::new(error) },
            None if is_one_file => DicomError::File(FileError::NotDicom),
            None => DicomError::NoDicom { file_count: self.files.source().len() },
        })
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn file_count(&self) -> usize {
        self.files.source().len()
    }

    /// Sentences on files that are no part of any series.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self
            .damaged
            .iter()
            .take(NAMED_MAX)
            .map(|(file, error)| {
                format!("{} was left out: {error}", self.files.source().label(*file))
            })
            .collect();
        if let Some(more) = self.damaged.len().checked_sub(NAMED_MAX).filter(|&more| more > 0) {
            warnings.push(format!("{} more could not be read", counted(more, "DICOM file")));
        }
        if self.not_dicom > 0 {
            let files = counted(self.not_dicom, "file");
            let (verb, noun) = if self.not_dicom == 1 { ("is", "it") } else { ("are", "they") };
            warnings.push(format!("{files} {verb} not DICOM; {noun} played no part"));
        }
        warnings
    }

    /// Judges every series.
    ///
    /// * `wanted` — the series that the user asked for; no other is then usable.
    pub(crate) fn judge(&self, wanted: Option<&str>) -> Judged<'_> {
        let images = self.headers.iter().flat_map(|(file, header)| {
            let frames = header.frames.iter().enumerate();
            frames.map(move |(frame_index, frame)| Image {
                file: *file,
                frame_index,
                header,
                frame,
            })
        });
        let mut judged =
            Judged { usable: Vec::new(), left: Vec::new(), is_by_name: wanted.is_some() };
        let mut names = Names::default();
        for images in group(images.collect()) {
            if let Some(refusal) = refusal_by_header(&images) {
                judged.leave(&images, &refusal, &mut names);
                continue;
            }
            for stack in stacks(images, &|a, b| self.are_same(a, b)) {
                match stack {
                    Err((images, refusal)) => judged.leave(&images, &refusal, &mut names),
                    Ok(stack) => {
                        let id = names.next(stack.images[0].header);
                        let series = &stack.images[0].header.series;
                        let is_asked_for =
                            wanted.is_some_and(|wanted| is_named(wanted, series, &id));
                        judged.add(stack, id, is_asked_for);
                    }
                }
            }
        }
        judged.settle();
        judged
    }

    fn are_same(&self, a: &Image<'_>, b: &Image<'_>) -> bool {
        let values = |image: &Image<'_>| {
            let stored = self.files.stored_values(image).ok()?;
            let format = image.header.pixels.as_ref()?;
            Some(stored.into_iter().map(|raw| format.value(raw)).collect::<Vec<i32>>())
        };
        choose::rescale(a) == choose::rescale(b)
            && values(a).is_some_and(|a| values(b).is_some_and(|b| a == b))
    }
}

/// Whether what the user typed names a series, or one stack of it.
fn is_named(wanted: &str, series: &Uid, id: &str) -> bool {
    series.is(wanted) || wanted == id
}

/// Short names for series, told apart where one series falls into several stacks.
#[derive(Default)]
struct Names {
    given: Vec<String>,
}

impl Names {
    fn next(&mut self, header: &Header) -> String {
        let letters = header.modality.chars().filter(char::is_ascii_alphanumeric).take(4);
        let prefix = letters.collect::<String>().to_ascii_lowercase();
        // Old exports leave the series unnamed; the image's own identifier tells them apart.
        let named = if header.series.is_empty() { &header.instance } else { &header.series };
        let base = named.pseudonym(if prefix.is_empty() { "dicom" } else { &prefix });
        let same = self.given.iter().filter(|given| **given == base).count();
        self.given.push(base.clone());
        if same == 0 { base } else { format!("{base}-{}", same + 1) }
    }
}

/// A series that can be used, and its short name.
pub(crate) struct Candidate<'h> {
    pub usable: Usable<'h>,
    pub id: String,
    is_asked_for: bool,
}

/// All series, with what was decided.
pub(crate) struct Judged<'h> {
    /// The best first.
    usable: Vec<Candidate<'h>>,
    left: Vec<Left<'h>>,
    is_by_name: bool,
}

struct Left<'h> {
    series: &'h Uid,
    report: SeriesReport,
}

impl<'h> Judged<'h> {
    fn add(&mut self, stack: super::stack::Stack<'h>, id: String, is_asked_for: bool) {
        match judge(stack, is_asked_for) {
            Ok(usable) => self.usable.push(Candidate { usable, id, is_asked_for }),
            Err((stack, refusal)) => self.leave_as(&stack.images, &refusal, id),
        }
    }

    fn leave(&mut self, images: &[Image<'h>], refusal: &Refusal, names: &mut Names) {
        let series = &images[0].header.series;
        let reason = refusal.to_string();
        // Dose sheets and scouts come as several kinds of image in one series: told once.
        let told =
            self.left.iter_mut().find(|left| left.series == series && left.report.reason == reason);
        match told {
            Some(left) => left.report.image_count += images.len(),
            None => self.leave_as(images, refusal, names.next(images[0].header)),
        }
    }

    fn leave_as(&mut self, images: &[Image<'h>], refusal: &Refusal, series_id: String) {
        let report = SeriesReport {
            series_id,
            description: describe(images),
            image_count: images.len(),
            is_taken: false,
            reason: refusal.to_string(),
        };
        self.left.push(Left { series: &images[0].header.series, report });
    }

    /// Puts the best first. Equal merit is settled by name, so that the order of files is not.
    fn settle(&mut self) {
        self.usable.sort_by(|a, b| {
            b.is_asked_for
                .cmp(&a.is_asked_for)
                .then_with(|| b.usable.merit.cmp(&a.usable.merit))
                .then_with(|| a.id.cmp(&b.id))
        });
        self.left.sort_by(|a, b| a.report.series_id.cmp(&b.report.series_id));
    }

    /// The series to read.
    pub(crate) fn best(&self) -> Option<&Candidate<'h>> {
        self.usable.first().filter(|best| best.is_asked_for || !self.is_by_name)
    }

    /// Says where scans of several studies lie together: only one is read.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let study = |candidate: &Candidate<'h>| &candidate.usable.stack.images[0].header.study;
        let studies: BTreeSet<&Uid> = self.usable.iter().map(study).collect();
        if studies.len() < 2 || self.is_by_name {
            return Vec::new();
        }
        vec![format!(
            "scans of {} lie here together, and one is read: give each its own folder, or ask for \
             a series by its name",
            counted(studies.len(), "examination")
        )]
    }

    /// Whether what the user typed names any series, usable or not.
    pub(crate) fn knows(&self, wanted: &str) -> bool {
        let left =
            self.left.iter().any(|left| is_named(wanted, left.series, &left.report.series_id));
        left || self.usable.iter().any(|candidate| candidate.is_asked_for)
    }

    /// Every series with its reason: the one that is taken, those that could be, the rest.
    pub(crate) fn reports(&self) -> Vec<SeriesReport> {
        let best = self.best();
        let usable = self.usable.iter().map(|candidate| {
            let is_taken = best.is_some_and(|best| std::ptr::eq(best, candidate));
            SeriesReport {
                series_id: candidate.id.clone(),
                description: describe(&candidate.usable.stack.images),
                image_count: candidate.usable.stack.images.len(),
                is_taken,
                reason: self.reason(candidate, best, is_taken),
            }
        });
        usable.chain(self.left.iter().map(|left| left.report.clone())).collect()
    }

    fn reason(
        &self,
        candidate: &Candidate<'_>,
        best: Option<&Candidate<'_>>,
        is_taken: bool,
    ) -> String {
        match best {
            _ if is_taken && candidate.is_asked_for => "asked for by name".into(),
            _ if is_taken => reason_taken(&candidate.usable),
            Some(best) if !self.is_by_name => format!(
                "could be used, but {} {}",
                best.id,
                best.usable.merit.advantage_over(&candidate.usable.merit)
            ),
            _ => "could be used, but another was asked for".into(),
        }
    }
}
