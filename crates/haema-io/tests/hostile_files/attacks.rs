//! Files that nobody should write: each asks for far more than it holds, or breaks off.

use std::io::{Cursor, Write as _};

use flate2::{Compression, write::DeflateEncoder};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::dicom_file::{COMPRESSED, DicomFile, Pixels, find, read_fixture};

/// One hostile file.
#[derive(Debug)]
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether a decoder may take it for good, if odd: then only its cost counts.
    pub(crate) may_be_read: bool,
}

impl Attack {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, may_be_read: false }
    }

    fn costly(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes, may_be_read: true }
    }
}

/// Every attack.
pub(crate) fn all() -> Vec<Attack> {
    let kinds = [
        structure(),
        deflate(),
        header_numbers(),
        codestreams(),
        jpeg_headers(),
        jpeg_2000_headers(),
        rle(),
        archives(),
    ];
    kinds.into_iter().flatten().collect()
}

impl DicomFile {
    /// The file with a 16-bit number of its header changed.
    fn with_u16(mut self, group: u16, element: u16, value: u16) -> Self {
        let mut start = [group.to_le_bytes(), element.to_le_bytes()].concat();
        start.extend(*b"US\x02\0");
        let at = find(&self.header, &start).expect("the header has this element") + start.len();
        self.header[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// The file with some of its header's bytes replaced by as many others.
    fn with_header_bytes(mut self, old: &[u8], new: &[u8]) -> Self {
        assert_eq!(old.len(), new.len(), "lengths in the header would no longer be true");
        let at = find(&self.header, old).expect("the header has these bytes");
        self.header[at..at + new.len()].copy_from_slice(new);
        self
    }

    /// The file with other pixel data.
    fn with_pixels(mut self, pixels: Pixels) -> Self {
        self.pixels = pixels;
        self
    }
}

// ---------------------------------------------------------------- data sets

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Preamble, meta information, and a data set.
fn file(transfer_syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let mut uid = transfer_syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    let syntax = element([2, 0, 0x10, 0], *b"UI", &uid);
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    bytes.extend(element([2, 0, 0, 0], *b"UL", &(syntax.len() as u32).to_le_bytes()));
    bytes.extend(syntax);
    bytes.extend(data_set);
    bytes
}

/// An element with a short length, explicit little endian.
fn element(tag: [u8; 4], vr: [u8; 2], value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short values only").to_le_bytes();
    [&tag, &vr[..], &length, value].concat()
}

/// An element with a 32-bit length that is only claimed.
fn claiming(tag: [u8; 4], vr: [u8; 2], length: u32, value: &[u8]) -> Vec<u8> {
    [&tag, &vr[..], &[0, 0], &length.to_le_bytes(), value].concat()
}

fn structure() -> Vec<Attack> {
    const UNDEFINED: u32 = u32::MAX;
    const REQUEST_ATTRIBUTES: [u8; 4] = [0x40, 0x00, 0x75, 0x02];
    const ITEM: [u8; 8] = [0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF];
    const ENDS: [u8; 16] = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    let nested = |levels: usize, start: &[u8]| {
        [[start, &ITEM].concat().repeat(levels), ENDS.repeat(levels)].concat()
    };
    let explicit = claiming(REQUEST_ATTRIBUTES, *b"SQ", UNDEFINED, &[]);
    let unknown = claiming(REQUEST_ATTRIBUTES, *b"UN", UNDEFINED, &[]);
    let implicit = [REQUEST_ATTRIBUTES, [0xFF; 4]].concat();
    let private = [0x09, 0x00, 0x01, 0x10];
    let pixel_data = [0xE0, 0x7F, 0x10, 0x00];
    let native = DicomFile::fixture("enhanced_shared_rescale.dcm");
    let tiny = element([0x08, 0, 0x60, 0], *b"CS", b"CT");

    let mut attacks = vec![
        Attack::new("20 000 nested sequences", file(EXPLICIT, &nested(20_000, &explicit))),
        Attack::new(
            "20 000 nested sequences, implicit",
            file(IMPLICIT, &nested(20_000, &implicit)),
        ),
        Attack::new("20 000 nested sequences, unknown", file(EXPLICIT, &nested(20_000, &unknown))),
        Attack::new("100 000 sequences never closed", file(EXPLICIT, &explicit.repeat(100_000))),
        Attack::new("100 000 delimiters of nothing", file(EXPLICIT, &ENDS.repeat(50_000))),
        Attack::new(
            "4 GiB of private data claimed",
            file(EXPLICIT, &claiming(private, *b"OB", u32::MAX - 1, &[0; 100])),
        ),
        Attack::new(
            "4 GiB of pixels claimed",
            [&native.header[..], &claiming(pixel_data, *b"OW", u32::MAX - 15, &[0; 1000])].concat(),
        ),
        Attack::new(
            "a sequence of 4 GiB claimed",
            file(EXPLICIT, &claiming(REQUEST_ATTRIBUTES, *b"SQ", u32::MAX - 1, &ITEM)),
        ),
        Attack::new(
            "1.2 million empty elements",
            file(EXPLICIT, &element(private, *b"LO", &[]).repeat(1_200_000)),
        ),
        Attack::new(
            "1.2 million empty fragments",
            native.clone().with_pixels(Pixels::Encapsulated(vec![vec![]; 1_200_000])).bytes(),
        ),
        Attack::new("a transfer syntax of 60 000 digits", file(&"1.".repeat(30_000), &tiny)),
        Attack::new("nothing behind the meta information", file(EXPLICIT, &[])),
    ];
    let whole = native.bytes();
    for eighth in 0..8 {
        let length = whole.len() * eighth / 8 + 7 * eighth;
        attacks.push(Attack::new(format!("cut at {length}"), whole[..length].to_vec()));
    }
    attacks
}

fn deflate() -> Vec<Attack> {
    let deflated = |start: &[u8], zeros_mib: usize| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        encoder.write_all(start).expect("memory takes all");
        for _ in 0..zeros_mib {
            encoder.write_all(&zeros).expect("memory takes all");
        }
        encoder.finish().expect("memory takes all")
    };
    let private = claiming([0x09, 0x00, 0x01, 0x10], *b"OB", 256 << 20, &[]);
    let bomb = deflated(&private, 256);
    let honest = read_fixture("enhanced_deflated.dcm");
    vec![
        Attack::new("a deflate bomb", file(DEFLATED, &bomb)),
        Attack::new("half a deflate bomb", file(DEFLATED, &bomb[..bomb.len() / 2])),
        Attack::new("a deflated data set cut short", honest[..honest.len() / 2].to_vec()),
        Attack::new("no deflate stream at all", file(DEFLATED, &[0xFF; 1000])),
    ]
}

// ---------------------------------------------------------------- numbers of the header

fn header_numbers() -> Vec<Attack> {
    const ROWS: (u16, u16) = (0x28, 0x10);
    const COLUMNS: (u16, u16) = (0x28, 0x11);
    let mut attacks = Vec::new();
    for name in COMPRESSED.into_iter().chain(["enhanced_shared_rescale.dcm"]) {
        let whole = DicomFile::fixture(name);
        let mut add = |what: &str, file: DicomFile| {
            attacks.push(Attack::new(format!("{name}: {what}"), file.bytes()));
        };
        for (rows, columns) in
            [(65_535, 65_535), (4096, 4096), (0, 32), (32, 0), (33, 32), (32, 31)]
        {
            // Raw and RLE data do not say how they are shaped: more than enough is enough.
            if columns == 31 && matches!(name, "enhanced_shared_rescale.dcm" | "enhanced_rle.dcm") {
                continue;
            }
            let file = whole.clone().with_u16(ROWS.0, ROWS.1, rows);
            add(&format!("{rows} x {columns}"), file.with_u16(COLUMNS.0, COLUMNS.1, columns));
        }
        for (what, element, value) in [
            ("3 samples a pixel", 0x02, 3),
            ("65 535 samples a pixel", 0x02, 65_535),
            ("no bits", 0x100, 0),
            ("7 bits allocated", 0x100, 7),
            ("64 bits allocated", 0x100, 64),
            ("65 535 bits allocated", 0x100, 65_535),
            ("no bits stored", 0x101, 0),
            ("17 bits stored", 0x101, 17),
            ("high bit 65 535", 0x102, 65_535),
        ] {
            add(what, whole.clone().with_u16(0x28, element, value));
        }
        let frames = |count: &[u8; 2]| {
            whole.clone().with_header_bytes(b"IS\x02\x0012", &[b"IS\x02\0", &count[..]].concat())
        };
        for count in [b"99", b"-1", b"0 ", b"x ", b"11"] {
            add(&format!("{} frames", String::from_utf8_lossy(count)), frames(count));
        }
    }
    attacks
}

// ---------------------------------------------------------------- codestreams

fn codestreams() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for name in COMPRESSED {
        let whole = DicomFile::fixture(name);
        let mut add = |what: String, change: &dyn Fn(&mut Vec<u8>)| {
            let file = whole.clone().with_codestreams(.., change);
            attacks.push(Attack::new(format!("{name}: {what}"), file.bytes()));
        };
        for percent in [0, 1, 5, 20, 40, 60, 80, 90, 95] {
            add(format!("{percent} % of a codestream"), &|stream| {
                stream.truncate(stream.len() * percent / 100);
            });
        }
        for length in [1, 2, 3, 4, 10, 63, 64] {
            add(format!("{length} bytes of a codestream"), &|stream| stream.truncate(length));
        }
        for byte in [0x00, 0x80, 0xFF] {
            add(format!("a codestream of {byte:02X}"), &|stream| stream.fill(byte));
        }
        add("half a codestream, and zeros".into(), &|stream| {
            let half = stream.len() / 2;
            stream[half..].fill(0);
        });
        // JPEG 2000 and its high-throughput form have one decoder, which takes either.
        let is_2000 = |name: &str| name.contains("2000") || name.contains("htj2k");
        for other in COMPRESSED {
            if other == name || is_2000(other) && is_2000(name) {
                continue;
            }
            let Pixels::Encapsulated(items) = DicomFile::fixture(other).pixels else { continue };
            add(format!("a codestream of {other}"), &|stream| stream.clone_from(&items[1]));
        }
        let table = |items: &[Vec<u8>], offsets: [u32; 12]| {
            let table = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
            [vec![table], vec![items[1..].concat()]].concat()
        };
        let Pixels::Encapsulated(items) = &whole.pixels else { continue };
        for (what, offsets) in
            [("far", [0xFFFF_FFF0; 12]), ("falling", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0])]
        {
            let file = whole.clone().with_pixels(Pixels::Encapsulated(table(items, offsets)));
            attacks.push(Attack::new(format!("{name}: {what} offsets"), file.bytes()));
        }
        let without = whole.clone().with_pixels(Pixels::Encapsulated(items[..6].to_vec()));
        attacks.push(Attack::new(format!("{name}: 5 fragments for 12 frames"), without.bytes()));
        let none = whole.clone().with_pixels(Pixels::Encapsulated(vec![]));
        attacks.push(Attack::new(format!("{name}: no fragments"), none.bytes()));
    }
    attacks
}

/// Writes big-endian bytes `offset` bytes behind a marker.
fn set(stream: &mut [u8], marker: [u8; 2], offset: usize, value: &[u8]) {
    let at = find(stream, &marker).expect("the codestream has this marker") + offset;
    stream[at..at + value.len()].copy_from_slice(value);
}

fn jpeg_headers() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, frame) in
        [("enhanced_jpeg_lossless.dcm", [0xFF, 0xC3]), ("enhanced_jpeg_ls.dcm", [0xFF, 0xF7])]
    {
        let whole = DicomFile::fixture(name);
        let mut add = |what: &str, marker: [u8; 2], offset: usize, value: &[u8]| {
            let file = whole.clone().with_codestreams(.., |stream| {
                set(stream, marker, offset, value);
            });
            attacks.push(Attack::new(format!("{name}: {what}"), file.bytes()));
        };
        let scan = [0xFF, 0xDA];
        add("65 535 x 65 535 inside", frame, 5, &[0xFF; 4]);
        add("0 x 0 inside", frame, 5, &[0; 4]);
        add("precision 0", frame, 4, &[0]);
        add("precision 255", frame, 4, &[255]);
        add("255 components", frame, 9, &[255]);
        add("a frame header of 65 535 bytes", frame, 2, &[0xFF, 0xFF]);
        add("an empty frame header", frame, 2, &[0, 0]);
        add("another process", frame, 1, &[0xC9]);
        add("a progressive frame", frame, 1, &[0xC2]);
        add("a scan of 255 components", scan, 4, &[255]);
        add("a point transform", scan, 9, &[2]);
        add("no such component", scan, 5, &[77]);
        let file = large(&whole, |stream| {
            set(stream, frame, 5, &LARGE_SIDE.map(u16::to_be_bytes).concat());
        });
        attacks.push(Attack::new(format!("{name}: {LARGE_SIDE:?} samples"), file.bytes()));
    }
    attacks
}

fn jpeg_2000_headers() -> Vec<Attack> {
    const SIZE: [u8; 2] = [0xFF, 0x51];
    const STYLE: [u8; 2] = [0xFF, 0x52];
    const QUANTISATION: [u8; 2] = [0xFF, 0x5C];
    const TILE_PART: [u8; 2] = [0xFF, 0x90];
    let huge = [0x7F, 0xFF, 0xFF, 0xFF];
    let mut attacks = Vec::new();
    for name in ["enhanced_jpeg_2000.dcm", "enhanced_htj2k.dcm"] {
        let whole = DicomFile::fixture(name);
        for (what, marker, offset, value) in [
            ("huge width", SIZE, 6, &huge[..]),
            ("huge height", SIZE, 10, &huge),
            ("width 0", SIZE, 6, &[0; 4]),
            ("tiles of one sample", SIZE, 22, &[0, 0, 0, 1, 0, 0, 0, 1]),
            ("tiles of no sample", SIZE, 22, &[0; 8]),
            ("huge tile origin", SIZE, 30, &huge),
            ("16 384 components", SIZE, 38, &[0x40, 0x00]),
            ("no component", SIZE, 38, &[0, 0]),
            ("precision 128", SIZE, 40, &[0x7F]),
            ("subsampled 255 times", SIZE, 41, &[255, 255]),
            ("255 decomposition levels", STYLE, 9, &[255]),
            ("code blocks of 2^257", STYLE, 10, &[255, 255]),
            ("an unknown wavelet", STYLE, 13, &[77]),
            ("a size marker of 65 535 bytes", SIZE, 2, &[0xFF, 0xFF]),
            ("no quantisation", QUANTISATION, 2, &[0, 2]),
            ("65 535 layers", STYLE, 6, &[0xFF, 0xFF]),
            ("tile 65 535", TILE_PART, 4, &[0xFF, 0xFF]),
        ] {
            let file = whole.clone().with_codestreams(.., |stream| {
                set(stream, marker, offset, value);
            });
            attacks.push(Attack::new(format!("{name}: {what}"), file.bytes()));
        }
        for exponent in [0_u8, 1, 4, 5] {
            let file = large(&whole, |stream| {
                set(stream, SIZE, 6, &LARGE_SIDE.map(u32::from).map(u32::to_be_bytes).concat());
                set(stream, SIZE, 22, &LARGE_SIDE.map(u32::from).map(u32::to_be_bytes).concat());
                with_precincts(stream, exponent);
            });
            // Packets that are not there read as empty ones.
            let what = format!("{name}: {LARGE_SIDE:?} samples in precincts of 2^{exponent}");
            attacks.push(Attack::costly(what, file.bytes()));
        }
    }
    attacks
}

/// Rows and columns that the limits on proportion let through for files as small as these.
const LARGE_SIDE: [u16; 2] = [500, 500];

/// A frame of [`LARGE_SIDE`] in the DICOM header; `change` says the same in the codestreams.
fn large(whole: &DicomFile, change: impl Fn(&mut Vec<u8>)) -> DicomFile {
    let [rows, columns] = LARGE_SIDE;
    let file = whole.clone().with_u16(0x28, 0x10, rows).with_u16(0x28, 0x11, columns);
    file.with_codestreams(.., change)
}

/// Adds precinct sizes to the coding style segment, for every resolution level.
fn with_precincts(stream: &mut Vec<u8>, exponent: u8) {
    let at = find(stream, &[0xFF, 0x52]).expect("there is a coding style");
    let levels = stream[at + 9];
    stream[at + 3] += levels + 1;
    stream[at + 4] |= 1;
    let end = at + 14;
    stream.splice(end..end, vec![exponent << 4 | exponent; usize::from(levels) + 1]);
}

fn rle() -> Vec<Attack> {
    let whole = DicomFile::fixture("enhanced_rle.dcm");
    let mut attacks = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let file = whole.clone().with_codestreams(.., change);
        attacks.push(Attack::new(format!("RLE: {what}"), file.bytes()));
    };
    for segments in [0_u32, 1, 3, 15, 16, u32::MAX] {
        add(&format!("{segments} segments"), &|stream| {
            stream[..4].copy_from_slice(&segments.to_le_bytes());
        });
    }
    for offset in [0_u32, 1, 63, 1 << 20, u32::MAX] {
        for segment in [1, 2] {
            // The first segment may start anywhere behind the header: what it holds decides.
            add(&format!("segment {segment} at {offset}"), &|stream| {
                stream[4 * segment..][..4].copy_from_slice(&offset.to_le_bytes());
            });
        }
    }
    add("nothing but no-operations", &|stream| stream[64..].fill(0x80));
    add("a megabyte of no-operations", &|stream| {
        stream[64..].fill(0x80);
        stream.resize(1 << 20, 0x80);
    });
    add("literals that reach beyond the end", &|stream| stream[64..].fill(0x7F));
    attacks
}

// ---------------------------------------------------------------- archives

fn archives() -> Vec<Attack> {
    let whole = read_fixture("enhanced_shared_rescale.dcm");
    let archive = |entries: &[(&str, &[u8])]| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            writer.start_file(*name, options).expect("memory takes all");
            writer.write_all(bytes).expect("memory takes all");
        }
        writer.finish().expect("memory takes all").into_inner()
    };
    let zeros = [&whole[..132], &vec![0; 100 << 20]].concat();
    let honest = archive(&[("ct.dcm", &whole)]);
    // Of an entry in the directory at the end.
    let directory = find(&honest, b"PK\x01\x02").expect("an archive has a directory");
    let mut attacks = vec![
        Attack::new("zip: a bomb", archive(&[("ct.dcm", &zeros)])),
        Attack::new("zip: an archive in an archive", archive(&[("ct.zip", &honest)])),
        Attack::new("zip: nothing inside", archive(&[])),
        Attack::new("zip: cut short", honest[..honest.len() / 2].to_vec()),
    ];
    for (what, offset) in [("packed size", 20), ("unpacked size", 24), ("place", 42)] {
        let mut lying = honest.clone();
        lying[directory + offset..][..4].copy_from_slice(&0x7FFF_FFFF_u32.to_le_bytes());
        // A deflate stream knows its own end, so too large a packed size does no harm.
        attacks.push(Attack::costly(format!("zip: an entry's {what} of 2 GiB"), lying));
    }
    attacks
}
