//! Files that are read once for their headers and again for their pixels.

use std::sync::{Arc, Mutex};

use super::elements::WalkError;
use super::error::FileError;
use super::header::Header;
use super::object::Object;
use super::pixels::decode_frame;
use super::source::Source;
use super::stack::Image;

/// How much of a file is read for its header. CT headers are 2 to 40 kB; where one is longer, or
/// compressed fragments must be walked, the whole file is read.
const HEAD_BYTES: usize = 64 << 10;

/// _Media Storage Directory Storage_: a DICOMDIR.
const DIRECTORY_CLASS: &str = "1.2.840.10008.1.3.10";

/// The files of a study.
pub(crate) struct Files {
    source: Source,
    /// The multi-frame file that was read last: its frames are asked for one by one.
    last: Mutex<Option<(usize, Arc<Object>)>>,
}

/// What one file turned out to be.
pub(crate) enum Looked {
    Image(Box<Header>),
    /// A list of other files.
    Directory,
    Damaged(FileError),
}

impl Files {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, last: Mutex::new(None) }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Reads a file's header.
    pub(crate) fn look(&self, file: usize) -> Looked {
        let looked = match self.header_of(file, HEAD_BYTES) {
            Err(WalkError::NeedsMore) => self.header_of(file, usize::MAX),
            looked => looked,
        };
        looked.unwrap_or_else(|error| Looked::Damaged(error.into_file_error()))
    }

    fn header_of(&self, file: usize, head_bytes: usize) -> Result<Looked, WalkError> {
        let head = self.source.read_head(file, head_bytes).map_err(WalkError::Bad)?;
        let object = Object::parse(head.bytes, head.total)?;
        if object.media_class.as_deref() == Some(DIRECTORY_CLASS) {
            return Ok(Looked::Directory);
        }
        let header = Header::from_object(&object);
        if let (Some(format), Ok(codec)) = (&header.pixels, header.syntax.codec) {
            format.check_size(codec).map_err(|error| WalkError::Bad(error.into()))?;
        }
        Ok(Looked::Image(Box::new(header)))
    }

    /// The pixels of an image as stored, read again from its file.
    pub(crate) fn stored_values(&self, image: &Image<'_>) -> Result<Vec<u16>, FileError> {
        let object = if image.header.frames.len() > 1 {
            self.multi_frame(image)?
        } else {
            Arc::new(self.object_of(image)?)
        };
        let format = image.header.pixels.as_ref().expect("only images with pixels are decoded");
        Ok(decode_frame(&object, format, image.frame_index)?)
    }

    /// The lock is held while the file is read, so that threads wait for it and do not read it
    /// each for itself.
    fn multi_frame(&self, image: &Image<'_>) -> Result<Arc<Object>, FileError> {
        let mut last = self.last.lock().expect("reading and parsing do not panic");
        if let Some((file, object)) = last.as_ref()
            && *file == image.file
        {
            return Ok(Arc::clone(object));
        }
        let object = Arc::new(self.object_of(image)?);
        *last = Some((image.file, Arc::clone(&object)));
        Ok(object)
    }

    fn object_of(&self, image: &Image<'_>) -> Result<Object, FileError> {
        let head = self.source.read(image.file)?;
        let object = Object::parse(head.bytes, head.total).map_err(WalkError::into_file_error)?;
        // The file may have been replaced since its header was read.
        let again = Header::from_object(&object);
        if again.pixels != image.header.pixels || again.instance != image.header.instance {
            return Err(FileError::Changed);
        }
        Ok(object)
    }
}
