use haema_io::dicom;
fn main() {
    for p in std::env::args().skip(1) {
        println!("== {p}");
        let t = std::time::Instant::now();
        let i = dicom::inspect(std::path::Path::new(&p));
        println!("{i:#?} {:?}", t.elapsed());
        let t = std::time::Instant::now();
        match dicom::read(std::path::Path::new(&p), &Default::default()) {
            Ok(s) => {
                let g = s.ct.grid();
                println!("{:?} {:?} tilt {} {:?}", g.size(), g.spacing_mm(), g.tilt_deg(), g.gaps_mm());
                println!("{:#?} {:?}", s.provenance.warnings, t.elapsed());
                println!("{} {} {}", s.provenance.case_id, s.provenance.sha256, s.provenance.file_count);
                let v = s.ct.voxels_hu().as_slice();
                println!("mean {}", v.iter().map(|&v| v as f64).sum::<f64>() / v.len() as f64);
            }
            Err(e) => println!("ERR {e}"),
        }
    }
}
