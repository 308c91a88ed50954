//! Input that cannot be read, each with its own message.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use haema_io::dicom::write::{Attributes, SeriesOptions};
use haema_io::dicom::{self, ReadOptions, tags};

use crate::phantom::{Stack, read_changed, read_objects, write, write_all};

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const RLE: &str = "1.2.840.10008.1.2.5";

fn refusal(path: &Path) -> String {
    dicom::read(path, &ReadOptions::default()).unwrap_err().to_string()
}

/// What is said of a file that is named by itself.
fn refusal_of_file(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "IM1", bytes);
    refusal(&folder.path().join("IM1"))
}

/// What is said of a series whose slices were changed.
fn refusal_of_series(change: impl Fn(&mut Attributes)) -> String {
    read_changed(|_, slice| change(slice)).unwrap_err().to_string()
}

fn one_slice() -> Attributes {
    Stack::straight().slices(&SeriesOptions::default()).remove(0)
}

/// A file of the given transfer syntax, its _Pixel Data_ replaced by fragments.
fn encapsulated(slice: &Attributes, syntax: &str, fragments: &[&[u8]]) -> Vec<u8> {
    let mut header = slice.clone();
    let mut data_set = header.remove(tags::PIXEL_DATA).to_data_set();
    data_set.extend(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff");
    data_set.extend(b"\xfe\xff\x00\xe0\0\0\0\0");
    for fragment in fragments {
        data_set.extend(b"\xfe\xff\x00\xe0");
        data_set.extend((fragment.len() as u32).to_le_bytes());
        data_set.extend(*fragment);
    }
    data_set.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    slice.to_file_with(syntax, &data_set)
}

/// A series of RLE slices that all hold this one fragment.
fn refusal_of_rle(fragment: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (z, slice) in Stack::straight().slices(&SeriesOptions::default()).iter().enumerate() {
        write(folder.path(), &format!("IM{z}"), &encapsulated(slice, RLE, &[fragment]));
    }
    refusal(folder.path())
}

#[test]
fn an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();

    insta::assert_snapshot!(refusal(folder.path()), @"no files: the folder and all folders in it are empty");
}

#[test]
fn a_folder_without_dicom() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.txt", b"not an image");
    write(folder.path(), "b.bin", &[0; 1000]);

    insta::assert_snapshot!(refusal(folder.path()), @"none of the 2 files is DICOM");
}

#[test]
fn a_text_file() {
    insta::assert_snapshot!(refusal_of_file(b"This is not an image.\n"), @"not a DICOM file");
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(refusal_of_file(b""), @"not a DICOM file");
}

#[test]
fn a_path_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let message = refusal(&folder.path().join("none"));

    assert!(message.starts_with("cannot read: No such file or directory"), "{message}");
}

#[test]
fn a_truncated_file() {
    let whole = one_slice().to_file();

    insta::assert_snapshot!(refusal_of_file(&whole[..whole.len() - 100]), @"Pixel Data (7FE0,0010) is said to hold 640 bytes, but 540 bytes are left: the file is cut short or damaged");
    // Cut between two elements, before the pixels: a whole header of no image.
    assert!(refusal_of_file(&whole[..500]).ends_with("it holds no images"));
    insta::assert_snapshot!(refusal_of_file(&whole[..180]), @"Media Storage SOP Class UID (0002,0002) is said to hold 26 bytes, but 14 bytes are left: the file is cut short or damaged");
}

#[test]
fn a_single_slice_by_itself() {
    insta::assert_snapshot!(refusal_of_file(&one_slice().to_file()), @"series ct-96d179c4 cannot be used: a single slice: a head CT has at least 10");
}

#[test]
fn two_slices() {
    let slices = Stack::straight().slices(&SeriesOptions::default());

    insta::assert_snapshot!(read_objects(&slices[..2]).unwrap_err(), @"series ct-96d179c4 cannot be used: 2 slices: a head CT has at least 10");
}

#[test]
fn another_modality() {
    let said = refusal_of_series(|slice| {
        slice.text(tags::MODALITY, "MR");
    });

    insta::assert_snapshot!(said, @"series mr-96d179c4 cannot be used: modality MR: only CT is read");
}

#[test]
fn a_colour_picture() {
    let said = refusal_of_series(|slice| {
        slice
            .text(tags::PHOTOMETRIC_INTERPRETATION, "RGB")
            .u16(tags::SAMPLES_PER_PIXEL, 3)
            .u16(tags::BITS_ALLOCATED, 8)
            .u16(tags::BITS_STORED, 8)
            .bytes(tags::PIXEL_DATA, *b"OB", vec![0; 20 * 16 * 3]);
    });

    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: a colour picture (RGB): only grey CT numbers are read");
}

#[test]
fn no_pixels_at_all() {
    let said = refusal_of_series(|slice| {
        slice.remove(tags::PIXEL_DATA);
    });

    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: it holds no images");

    let said = refusal_of_series(|slice| {
        slice.u16(tags::ROWS, 0);
    });
    assert!(said.ends_with("it holds no images"), "{said}");
}

#[test]
fn missing_positions() {
    let said = refusal_of_series(|slice| {
        slice.remove(tags::IMAGE_POSITION_PATIENT);
    });
    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: 24 images do not say where they lie (Image Position or Image Orientation (Patient) is missing): positions are not guessed");

    let said = refusal_of_series(|slice| {
        slice.text(tags::IMAGE_POSITION_PATIENT, r"0\nan\0");
    });
    assert!(said.contains("do not say where they lie"), "{said}");
}

#[test]
fn a_plane_that_is_none() {
    let said = refusal_of_series(|slice| {
        slice.text(tags::IMAGE_ORIENTATION_PATIENT, r"1\0\0\1\0\0");
    });
    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: Image Orientation (Patient) or Pixel Spacing is not a plane: wanted two unit vectors at right angles and distances above 0");

    let said = refusal_of_series(|slice| {
        slice.text(tags::PIXEL_SPACING, r"0\0.5");
    });
    assert!(said.contains("is not a plane"), "{said}");
}

#[test]
fn no_pixel_spacing() {
    let said = refusal_of_series(|slice| {
        slice.remove(tags::PIXEL_SPACING);
    });

    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: no Pixel Spacing: without millimetres there is no volume");
}

#[test]
fn no_hounsfield_units() {
    let without = refusal_of_series(|slice| {
        slice.remove(tags::RESCALE_SLOPE);
    });
    insta::assert_snapshot!(without, @"series ct-96d179c4 cannot be used: no Rescale Slope and Intercept: its numbers are not known to be Hounsfield units");

    let other = refusal_of_series(|slice| {
        slice.text(tags::RESCALE_TYPE, "MGML");
    });
    insta::assert_snapshot!(other, @"series ct-96d179c4 cannot be used: its numbers are in MGML (Rescale Type): wanted Hounsfield units, HU");

    let absurd = refusal_of_series(|slice| {
        slice.text(tags::RESCALE_SLOPE, "49").text(tags::RESCALE_INTERCEPT, "48");
    });
    insta::assert_snapshot!(absurd, @"series ct-96d179c4 cannot be used: Rescale Slope 49 and Intercept 48 cannot be a CT's: wanted a slope in (0, 10] and an intercept within ±10000");

    let table = refusal_of_series(|slice| {
        slice.items(tags::MODALITY_LUT_SEQUENCE, &[Attributes::default()]);
    });
    insta::assert_snapshot!(table, @"series ct-96d179c4 cannot be used: its numbers go through a table (Modality LUT Sequence), which is not read: export it with Rescale Slope and Intercept");
}

#[test]
fn bits_that_are_not_read() {
    let said = refusal_of_series(|slice| {
        slice.u16(tags::BITS_ALLOCATED, 32).u16(tags::BITS_STORED, 32).bytes(
            tags::PIXEL_DATA,
            *b"OW",
            vec![0; 20 * 16 * 4],
        );
    });

    insta::assert_snapshot!(said, @"series ct-96d179c4 cannot be used: 32 bits a pixel, 32 in use: up to 16 are read");
}

#[test]
fn an_unknown_transfer_syntax() {
    let slice = one_slice();
    let said = refusal_of_file(&slice.to_file_with("1.2.3.4", &slice.to_data_set()));

    insta::assert_snapshot!(said, @"transfer syntax 1.2.3.4 is not known");
}

#[test]
fn a_header_of_65_535_squared_with_no_pixels() {
    let mut slice = one_slice();
    slice.u16(tags::ROWS, 65_535).u16(tags::COLUMNS, 65_535);

    insta::assert_snapshot!(refusal_of_file(&slice.to_file()), @"an image of 65535 rows × 65535 columns; at most 4096 × 4096 are read");
    insta::assert_snapshot!(refusal_of_file(&encapsulated(&slice, RLE, &[&[0; 64]])), @"an image of 65535 rows × 65535 columns; at most 4096 × 4096 are read");
}

#[test]
fn a_header_of_65_536_squared_with_no_pixels() {
    let mut slice = one_slice();
    slice.bytes(tags::ROWS, *b"UL", vec![0, 0, 1, 0]);
    slice.bytes(tags::COLUMNS, *b"UL", vec![0, 0, 1, 0]);

    insta::assert_snapshot!(refusal_of_file(&slice.to_file()), @"an image of 65536 rows × 65536 columns; at most 4096 × 4096 are read");
}

#[test]
fn more_pixels_than_compressed_bytes_can_hold() {
    let mut slice = one_slice();
    slice.u16(tags::ROWS, 4096).u16(tags::COLUMNS, 4096);

    insta::assert_snapshot!(refusal_of_file(&encapsulated(&slice, RLE, &[&[0; 64]])), @"64 bytes of compressed pixel data are said to hold 33554432 bytes of pixels");
}

#[test]
fn fewer_pixels_than_the_header_says() {
    let mut slice = one_slice();
    slice.u16(tags::ROWS, 512).u16(tags::COLUMNS, 512);

    insta::assert_snapshot!(refusal_of_file(&slice.to_file()), @"640 bytes of pixel data where 524288 were wanted");
}

#[test]
fn twenty_thousand_nested_sequences() {
    let slice = one_slice();
    let mut data_set = slice.to_data_set();
    for _ in 0..20_000 {
        data_set.extend(b"\x09\x00\x01\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff");
    }
    for _ in 0..20_000 {
        data_set.extend(b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0");
    }
    // The nest stands before the pixels, where it is read.
    let pixels_at = data_set.windows(4).position(|w| w == b"\xe0\x7f\x10\x00").unwrap();
    let pixel_bytes = 12 + 20 * 16 * 2;
    data_set[pixels_at..].rotate_left(pixel_bytes);

    let said = refusal_of_file(&slice.to_file_with("1.2.840.10008.1.2.1", &data_set));

    insta::assert_snapshot!(said, @"sequences are nested more than 64 deep");
}

#[test]
fn nests_of_declared_length_are_refused_too() {
    let mut nest = Attributes::default();
    for _ in 0..100 {
        let mut outer = Attributes::default();
        outer.items(dicom::Tag(0x0009, 0x1001), &[nest]);
        nest = outer;
    }
    let mut slice = one_slice();
    slice.items(dicom::Tag(0x0009, 0x1001), &[nest]);

    let said = refusal_of_file(&slice.to_file());

    insta::assert_snapshot!(said, @"sequences are nested more than 64 deep");
}

#[test]
fn four_gibibytes_declared() {
    let mut file = one_slice().to_file();
    let pixels_at = file.windows(4).position(|w| w == b"\xe0\x7f\x10\x00").unwrap();
    file[pixels_at + 8..pixels_at + 12].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());

    insta::assert_snapshot!(refusal_of_file(&file), @"Pixel Data (7FE0,0010) is said to hold 4294967280 bytes, but 640 bytes are left: the file is cut short or damaged");
}

#[test]
fn a_deflate_bomb() {
    let slice = one_slice();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&slice.to_data_set()).unwrap();
    for _ in 0..64 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = slice.to_file_with(DEFLATED, &encoder.finish().unwrap());

    insta::assert_snapshot!(refusal_of_file(&bomb), @"65791 compressed bytes unpack to more than 18093036 bytes");
}

#[test]
fn a_damaged_deflate_stream() {
    let slice = one_slice();
    let said = refusal_of_file(&slice.to_file_with(DEFLATED, &[0xFF; 100]));

    assert!(said.starts_with("the deflated data set cannot be unpacked: "), "{said}");
}

#[test]
fn damaged_rle() {
    insta::assert_snapshot!(refusal_of_rle(&[0, 0]), @"24 of 24 images could not be decoded; the first: the RLE pixel data cannot be decoded: 2 bytes where the header has 64");

    let mut promised = [0; 64];
    promised[0] = 2;
    promised[4] = 64;
    promised[8] = 200;
    insta::assert_snapshot!(refusal_of_rle(&promised), @"24 of 24 images could not be decoded; the first: the RLE pixel data cannot be decoded: segment 0 is said to span bytes 64 to 200, which are not there");

    promised[0] = 15;
    insta::assert_snapshot!(refusal_of_rle(&promised), @"24 of 24 images could not be decoded; the first: the RLE pixel data cannot be decoded: 15 segments where 2 were wanted");

    promised[0] = 2;
    promised[8] = 64;
    insta::assert_snapshot!(refusal_of_rle(&promised), @"24 of 24 images could not be decoded; the first: the RLE pixel data cannot be decoded: a segment ends before its 320 pixels are filled");
}

#[test]
fn frames_without_fragments_of_their_own() {
    let said = {
        let folder = tempfile::tempdir().unwrap();
        for (z, slice) in Stack::straight().slices(&SeriesOptions::default()).iter().enumerate() {
            write(folder.path(), &format!("IM{z}"), &encapsulated(slice, RLE, &[]));
        }
        refusal(folder.path())
    };

    insta::assert_snapshot!(said, @"24 of 24 images could not be decoded; the first: frame 0 of 1 has no pixel data of its own among 0 fragments");
}

#[test]
fn one_bad_file_is_left_out_and_named_and_its_gap_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let slices = Stack::straight().slices(&SeriesOptions::default());
    write_all(folder.path(), &slices);
    let whole = slices[7].to_file();
    write(folder.path(), "IM0007", &whole[..whole.len() - 100]);
    write(folder.path(), "IM0015", &encapsulated(&slices[15], RLE, &[&[0, 0]]));

    let scan = dicom::read(folder.path(), &ReadOptions::default()).unwrap();

    assert_eq!(scan.ct.grid().size()[0], 22);
    insta::assert_snapshot!(scan.provenance.warnings.join("\n"), @"
    file 8 (IM0007) was left out: Pixel Data (7FE0,0010) is said to hold 640 bytes, but 540 bytes are left: the file is cut short or damaged
    file 16 (IM0015) was left out: the RLE pixel data cannot be decoded: 2 bytes where the header has 64
    1 slice is missing between slices 7 and 8 from the bottom of the stack: 10.00 mm where 5.00 mm is the rule; the slices beside the gap stand for it, and their share of a volume is stated with it
    1 slice is missing between slices 14 and 15 from the bottom of the stack: 10.00 mm where 5.00 mm is the rule; the slices beside the gap stand for it, and their share of a volume is stated with it
    ");
}

#[test]
fn bad_archives() {
    insta::assert_snapshot!(refusal_of_file(b"PK\x03\x04 and no more"), @"the archive cannot be read: invalid Zip archive: Could not find EOCD");

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let deflated = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("IM1", deflated).unwrap();
    zip.write_all(&vec![0; 64 << 20]).unwrap();
    insta::assert_snapshot!(refusal_of_file(zip.finish().unwrap().get_ref()), @"65233 compressed bytes unpack to more than 18081876 bytes");
}
