//! Transfer syntaxes: how a data set and its pixels are written.

use super::elements::Encoding;

/// How the pixels of one object are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As they are.
    Native,
    /// Run lengths of byte planes (PS3.5 Annex G).
    Rle,
    /// JPEG process 1: 8 bits, lossy.
    JpegBaseline,
    /// JPEG process 14, any predictor.
    JpegLossless,
    /// JPEG-LS, lossless or near-lossless.
    JpegLs,
    /// JPEG 2000 or High-Throughput JPEG 2000.
    Jpeg2000,
}

/// How one object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub encoding: Encoding,
    pub is_deflated: bool,
    /// `Err` holds the name of a codec that we know and do not read.
    pub codec: Result<Codec, &'static str>,
}

impl Syntax {
    pub(crate) const fn native(encoding: Encoding) -> Self {
        Self { encoding, is_deflated: false, codec: Ok(Codec::Native) }
    }

    const fn encapsulated(codec: Result<Codec, &'static str>) -> Self {
        Self { encoding: Encoding::EXPLICIT_LE, is_deflated: false, codec }
    }

    /// Looks a transfer syntax up; `None` where it is not of the standard.
    pub(crate) fn from_uid(uid: &str) -> Option<Self> {
        let number = uid.strip_prefix("1.2.840.10008.1.2")?;
        Some(match number {
            "" => Self::native(Encoding::IMPLICIT_LE),
            ".1" => Self::native(Encoding::EXPLICIT_LE),
            ".2" => Self::native(Encoding::EXPLICIT_BE),
            ".1.99" => Self { is_deflated: true, ..Self::native(Encoding::EXPLICIT_LE) },
            ".5" => Self::encapsulated(Ok(Codec::Rle)),
            ".4.50" => Self::encapsulated(Ok(Codec::JpegBaseline)),
            ".4.57" | ".4.70" => Self::encapsulated(Ok(Codec::JpegLossless)),
            ".4.80" | ".4.81" => Self::encapsulated(Ok(Codec::JpegLs)),
            ".4.90" | ".4.91" | ".4.201" | ".4.202" | ".4.203" => {
                Self::encapsulated(Ok(Codec::Jpeg2000))
            }
            _ => Self::encapsulated(Err(unread_codec(number)?)),
        })
    }
}

fn unread_codec(number: &str) -> Option<&'static str> {
    Some(match number {
        ".4.51" => "JPEG Extended 12-bit (1.2.840.10008.1.2.4.51)",
        ".4.92" | ".4.93" => "JPEG 2000 Part 2",
        ".4.94" | ".4.95" => "JPIP (pixels held elsewhere)",
        ".4.110" | ".4.111" | ".4.112" => "JPEG XL",
        ".6.1" | ".6.2" | ".1.98" => "an encapsulation that is not an image codec",
        _ if number.starts_with(".4.10") => "a video codec",
        _ if number.starts_with(".4.5") || number.starts_with(".4.6") => "a retired JPEG process",
        _ => return None,
    })
}
