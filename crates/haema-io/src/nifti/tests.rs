use haema_volume::{Affine, Grid, Volume};

use super::*;

fn oblique() -> Affine {
    // 20° about the first axis, thick slices, left-handed in RAS.
    let (sin, cos) = 20.0_f64.to_radians().sin_cos();
    Affine::from_steps(
        [0.5, 0.0, 0.0],
        [0.0, 0.5 * cos, 0.5 * sin],
        [0.0, -5.0 * sin, 5.0 * cos],
        [-3.0, 7.5, 11.25],
    )
}

#[test]
fn what_is_written_is_read_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::from_affine([2, 3, 4], &oblique()).unwrap();
    let voxels = Volume::from_fn([2, 3, 4], |[z, y, x]| (100 * z + 10 * y + x) as i16 - 50);
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);

        write(&path, &voxels, &grid).unwrap();
        let scan = read(&path).unwrap();
        write(&folder.path().join("b.nii"), &voxels, scan.ct.grid()).unwrap();
        let again = read(&folder.path().join("b.nii")).unwrap();

        assert_eq!(scan.ct.voxels_hu(), &voxels.map(|&v| f32::from(v)));
        assert_eq!(scan.ct.grid(), again.ct.grid());
        assert_eq!(scan.provenance.case_id, "a");
        assert_eq!(scan.provenance.sha256, again.provenance.sha256);
    }
}

#[test]
fn labels_that_are_no_small_whole_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::from_affine([1, 1, 2], &oblique()).unwrap();

    write(&path, &Volume::new([1, 1, 2], vec![1.0_f32, 0.5]).unwrap(), &grid).unwrap();
    let message = read_label(&path).unwrap_err().to_string();
    assert!(message.starts_with("label 0.5 at voxel 1: wanted whole numbers"), "{message}");

    write(&path, &Volume::new([1, 1, 2], vec![0_i16, 255]).unwrap(), &grid).unwrap();
    assert_eq!(read_label(&path).unwrap().0.as_slice(), [0, 255]);
}
