//! `haema selftest` through the program, on a few lines of the plan.

use crate::stand::Stand;

#[test]
fn a_line_says_truth_measurement_and_error() {
    let ended = Stand::new().run("selftest --only v05,g02");

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let lines: Vec<&str> = ended.out.lines().collect();
    let volume = lines.iter().find(|line| line.starts_with("v05")).unwrap();
    let words: Vec<&str> = volume.split_whitespace().collect();
    assert_eq!((words[1], words.last()), ("sphere", Some(&"ok")), "{volume}");
    assert!(lines.iter().any(|line| line.contains("ball at (3.3, -4.1, 6.2) mm LPS")));
    assert!(ended.out.contains("2 of 2 lines pass"), "{}", ended.out);
}

#[test]
fn the_same_as_json() {
    let ended = Stand::new().run("selftest geometry --only g01,g109 --json");

    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["schema"], "haema.selftest/1");
    assert_eq!((&found["passed"], &found["failed"]), (&2.into(), &0.into()));
    let [first, last] = found["lines"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(first["marker"]["side"], "left");
    // The ball lost a slice: haema names it and says how much of the volume stands beside it.
    assert_eq!(last["lost"]["slices"], serde_json::json!([18]));
    assert!(last["lost"]["stated_percent"].as_f64().unwrap() > 50.0, "{last}");
    let warnings = last["warnings"].as_array().unwrap();
    let is_named = |said: &serde_json::Value| said.as_str().unwrap().contains("1 slice is missing");
    assert!(warnings.iter().any(is_named), "{last}");
}

#[test]
fn exported_phantoms_stay_with_their_truth_and_are_scans_that_haema_takes() {
    let stand = Stand::new();

    let ended = stand.run("selftest --only v04,v44 --export phantoms");

    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(ended.err, "the phantoms are kept: see phantoms/truth.csv\n");
    let truth = stand.read("phantoms/truth.csv");
    let rows: Vec<&str> = truth.lines().collect();
    assert!(rows[0].starts_with("id,path,part,phantom,truth_ml,"), "{}", rows[0]);
    assert_eq!(rows.len(), 3);
    for row in &rows[1..] {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells.len(), rows[0].split(',').count(), "{row}");
        let info = stand.run(&format!("info phantoms/{}", cells[1]));
        assert_eq!(info.code, 0, "{}", info.out);
    }
    assert!(stand.read("phantoms/README.md").contains("closed form"));

    let again = stand.run("selftest --only v04 --export phantoms");
    assert_eq!(again.code, 2);
    assert!(again.err.contains("is not empty") && again.err.contains("hint: "), "{}", again.err);
}

#[test]
fn a_line_that_is_not_there_ends_with_2() {
    let ended = Stand::new().run("selftest volume --only g01");

    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("no line \"g01\" in v01 to v60"), "{}", ended.err);
}
