//! `haema import` through the program.

use crate::stand::Stand;

#[test]
fn a_folder_of_something_else_is_refused_with_what_was_wanted() {
    let stand = Stand::new();
    stand.write("set/readme.txt", b"something else");

    let ended = stand.run("import ct-ich set dataset");

    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.starts_with("error: the data set cannot be imported\n"), "{}", ended.err);
    assert!(ended.err.contains("hemorrhage_diagnosis.csv"), "{}", ended.err);
    assert!(!stand.path("dataset").exists());
}

#[test]
fn a_spacing_that_no_head_has_is_refused() {
    let ended = Stand::new().run("import ct-ich set dataset --spacing-mm 42");

    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("pixel spacing 42 mm: wanted 0.1 to 2 mm"), "{}", ended.err);
}
