//! Every kind of bad input has its own message, and none stops the program.

use haema_io::dicom::tags;
use haema_io::nifti;
use haema_volume::{CtVolume, Grid, Volume};
use insta::assert_snapshot;

use crate::stand::{HEAD, Stand};

/// Segments one input and returns what was said about it, its folder cut off. The result folder must
/// hold the summary and nothing else.
fn refused(stand: &Stand, input: &str) -> String {
    let path = stand.path(input);
    let folder = path.parent().unwrap().display().to_string();

    let ended = stand.run(&format!("segment {} --out out", path.display()));

    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{}", ended.err);
    assert_eq!(stand.names("out"), ["summary.csv", "worklist.csv", "worklist.html"]);
    let summary = stand.read("out/summary.csv");
    assert_eq!(summary.lines().count(), 2, "{summary}");
    assert!(!summary.contains(&folder), "the summary holds the path: {summary}");
    ended.err.replace(&folder, "FOLDER")
}

fn write_nifti(stand: &Stand, name: &str, ct: &CtVolume) -> Vec<u8> {
    nifti::write(&stand.path(name), ct.voxels_hu(), ct.grid()).unwrap();
    haema_io::fs::read(&stand.path(name), 1 << 30).unwrap()
}

#[test]
fn nothing_at_the_path() {
    let stand = Stand::new();

    assert_snapshot!(refused(&stand, "nothing-here"), @"
    error: cannot read: No such file or directory (os error 2): FOLDER/nothing-here
    hint: check the path
    ");
}

#[test]
fn an_empty_folder() {
    let stand = Stand::new();
    haema_io::fs::create_folder(&stand.path("empty")).unwrap();

    assert_snapshot!(refused(&stand, "empty"), @"error: no files: the folder and all folders in it are empty: FOLDER/empty");
}

#[test]
fn a_text_file() {
    let stand = Stand::new();
    stand.write("letter.txt", b"Dear colleague,\nthank you for the scan.\n");

    assert_snapshot!(refused(&stand, "letter.txt"), @"error: found a text file: wanted DICOM (folder, zip or file), NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or MetaImage (.mha, .mhd): FOLDER/letter.txt");
}

#[test]
fn a_folder_of_text_files() {
    let stand = Stand::new();
    stand.write("letters/1.txt", b"Dear colleague,\n");
    stand.write("letters/2.txt", b"Dear colleague,\n");

    assert_snapshot!(refused(&stand, "letters"), @"error: none of the 2 files is DICOM: FOLDER/letters");
}

#[test]
fn a_truncated_dicom_file() {
    let stand = Stand::new();
    stand.write_dicom("dicom", |_, _| {});
    let whole = haema_io::fs::read(&stand.path("dicom/004.dcm"), 1 << 20).unwrap();
    stand.write("cut.dcm", &whole[..whole.len() - 1000]);

    assert_snapshot!(refused(&stand, "cut.dcm"), @"error: Pixel Data (7FE0,0010) is said to hold 18432 bytes, but 17432 bytes are left: the file is cut short or damaged: FOLDER/cut.dcm");
}

#[test]
fn a_truncated_gzip_file() {
    let stand = Stand::new();
    let whole = write_nifti(&stand, "head.nii.gz", &HEAD);
    stand.write("cut.nii.gz", &whole[..whole.len() / 2]);

    assert_snapshot!(refused(&stand, "cut.nii.gz"), @"error: the gzip stream ends early: the file is truncated: FOLDER/cut.nii.gz");
}

#[test]
fn a_nifti_file_of_absurd_size() {
    let stand = Stand::new();
    let mut bytes = write_nifti(&stand, "head.nii", &HEAD);
    // dim[1..4]: 32 767 voxels along each axis.
    for axis in 1..4 {
        bytes[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&i16::MAX.to_le_bytes());
    }
    stand.write("absurd.nii", &bytes);

    assert_snapshot!(refused(&stand, "absurd.nii"), @"error: [32767, 32767, 32767] voxels [x, y, z] are more than the 268435456 of the largest scan taken: FOLDER/absurd.nii");
}

#[test]
fn a_nan_in_the_affine() {
    let stand = Stand::new();
    let mut bytes = write_nifti(&stand, "head.nii", &HEAD);
    // srow_y[1], and no qform to fall back on.
    bytes[300..304].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[252..254].copy_from_slice(&0_i16.to_le_bytes());
    stand.write("nan.nii", &bytes);

    assert_snapshot!(refused(&stand, "nan.nii"), @"error: the geometry has a value that is not finite: NaN: FOLDER/nan.nii");
}

#[test]
fn an_mr_series() {
    let stand = Stand::new();
    stand.write_dicom("mr", |_, slice| {
        slice.text(tags::MODALITY, "MR");
    });

    assert_snapshot!(refused(&stand, "mr"), @"error: series mr-96d179c4 cannot be used: modality MR: only CT is read: FOLDER/mr");
}

#[test]
fn numbers_that_are_not_hounsfield_units() {
    let stand = Stand::new();
    let stored = HEAD.voxels_hu().map(|&hu| hu + 1024.0);
    let unshifted = CtVolume::new(stored, HEAD.grid().clone()).unwrap();
    write_nifti(&stand, "unshifted.nii", &unshifted);

    assert_snapshot!(refused(&stand, "unshifted.nii"), @"
    error: the scan is refused: 0.00 % of the voxels are air (below -800 HU), the lowest is 8 HU: wanted at least 1 %. The values are not Hounsfield units, or the air around the head was removed: FOLDER/unshifted.nii
    hint: haema needs CT as it came from the scanner, not MR, not a windowed or brain-extracted copy; if a converter made this file, check that it kept slope and intercept
    ");
}

#[test]
fn two_slices_in_dicom() {
    let stand = Stand::new();
    stand.write_dicom("all", |_, _| {});
    for name in ["004.dcm", "005.dcm"] {
        let bytes = haema_io::fs::read(&stand.path("all").join(name), 1 << 20).unwrap();
        stand.write(&format!("two/{name}"), &bytes);
    }

    assert_snapshot!(refused(&stand, "two"), @"error: series ct-96d179c4 cannot be used: 2 slices: a head CT has at least 10: FOLDER/two");
}

#[test]
fn two_slices_in_nifti() {
    let stand = Stand::new();
    let [_, rows, columns] = HEAD.grid().size();
    let voxels = Volume::from_fn([2, rows, columns], |[z, y, x]| HEAD.voxels_hu()[[z + 7, y, x]]);
    let grid = Grid::from_affine(voxels.size(), &HEAD.grid().lps_from_index()).unwrap();
    write_nifti(&stand, "two.nii", &CtVolume::new(voxels, grid).unwrap());

    assert_snapshot!(refused(&stand, "two.nii"), @"
    error: the scan is refused: the scan has 2 slices: wanted at least 10 for a head: FOLDER/two.nii
    hint: give the whole axial series, not a scout or single slices
    ");
}

#[test]
fn a_colour_picture() {
    let stand = Stand::new();
    stand.write_dicom("colour", |_, slice| {
        slice
            .text(tags::PHOTOMETRIC_INTERPRETATION, "RGB")
            .u16(tags::SAMPLES_PER_PIXEL, 3)
            .u16(tags::BITS_ALLOCATED, 8)
            .u16(tags::BITS_STORED, 8)
            .u16(tags::HIGH_BIT, 7)
            .bytes(tags::PIXEL_DATA, *b"OW", vec![0; 96 * 96 * 3]);
    });

    assert_snapshot!(refused(&stand, "colour"), @"error: series ct-96d179c4 cannot be used: a colour picture (RGB): only grey CT numbers are read: FOLDER/colour");
}

#[test]
fn slices_that_do_not_say_where_they_lie() {
    let stand = Stand::new();
    stand.write_dicom("lost", |_, slice| {
        slice.remove(tags::IMAGE_POSITION_PATIENT);
    });

    assert_snapshot!(refused(&stand, "lost"), @"error: series ct-96d179c4 cannot be used: 16 images do not say where they lie (Image Position or Image Orientation (Patient) is missing): positions are not guessed: FOLDER/lost");
}

#[test]
fn slices_at_one_place_with_different_pixels() {
    let stand = Stand::new();
    stand.write_dicom("twice", |_, _| {});
    let place = haema_io::dicom::write::slice;
    let options = haema_io::dicom::write::SeriesOptions::default();
    let mut double = place(&HEAD, 7, &options);
    double.bytes(tags::PIXEL_DATA, *b"OW", vec![1; 96 * 96 * 2]);
    stand.write("twice/again.dcm", &double.to_file());

    assert_snapshot!(refused(&stand, "twice"), @"error: series ct-96d179c4 cannot be used: more than one image, with different pixels, lies at 1 place, and nothing in the header tells them apart: export one reconstruction at a time: FOLDER/twice");
}

#[test]
fn a_header_of_65536_squared_without_pixels() {
    let stand = Stand::new();
    stand.write_dicom("huge", |_, slice| {
        slice.u16(tags::ROWS, u16::MAX).u16(tags::COLUMNS, u16::MAX).bytes(
            tags::PIXEL_DATA,
            *b"OW",
            Vec::new(),
        );
    });

    assert_snapshot!(refused(&stand, "huge"), @"error: none of 16 DICOM files could be read; the first: an image of 65535 rows × 65535 columns; at most 4096 × 4096 are read: FOLDER/huge");
}

#[test]
fn uneven_slices_stacked_sideways() {
    let stand = Stand::new();
    // A header that turns the stack: rows run up, slices go to the left, one is missing.
    stand.write_dicom("sideways", |z, slice| {
        let left_mm = 10.0 * z as f64 + if z > 7 { 4.0 } else { 0.0 };
        slice
            .text(tags::IMAGE_ORIENTATION_PATIENT, r"0\1\0\0\0\-1")
            .text(tags::IMAGE_POSITION_PATIENT, &format!(r"{left_mm}\0\0"));
    });

    assert_snapshot!(refused(&stand, "sideways"), @"
    error: the scan is refused: the slices are stacked unevenly along Right: uneven stacks are supported along the body's axis only; resample the scan to even slices, or give its axial series: FOLDER/sideways
    hint: the axial series of the same examination will do
    ");
}

#[test]
fn a_folder_that_is_not_there_comes_with_what_to_give_instead() {
    for (line, hint) in [
        (
            "train nowhere --out run",
            "`haema import ct-ich` and `haema simulate` make such a folder",
        ),
        ("eval nowhere --out scores", "`haema import ct-ich` and `haema simulate` make such"),
        ("study nowhere --out study", "`haema import ct-ich` and `haema simulate` make such"),
        ("simulate --out set --cases 2 --anatomy nowhere", "given with --anatomy, or leave it out"),
        ("import ct-ich nowhere set", "hemorrhage_diagnosis.csv and Patients_CT"),
        ("simulate --out nowhere.txt/set --cases 1", "give a place that you may write to"),
    ] {
        let stand = Stand::new();
        stand.write("nowhere.txt", b"a file, where a folder is wanted");
        let ended = stand.run(line);

        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{line}");
        let last = ended.err.lines().last().unwrap();
        assert!(last.starts_with("hint: ") && last.contains(hint), "{line}: {}", ended.err);
        assert!(ended.err.contains("nowhere"), "{line}: {}", ended.err);
    }
}
