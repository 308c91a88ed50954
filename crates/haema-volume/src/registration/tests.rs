//! What a result must be to be given out.

use super::*;

const GOOD: Match = Match { shared_information: 0.5, overlap: 0.9, bone_dice: 0.8 };

#[test]
fn a_poor_match_is_refused_with_what_was_found() {
    let poor = Match { bone_dice: 0.1, ..GOOD };

    let error = guard(&LpsMap::IDENTITY, poor, Freedom::Rigid).unwrap_err();

    let wanted = "the two heads do not match: agreement of bone (Dice) is 0.10: wanted at least";
    assert!(error.to_string().starts_with(wanted), "{error}");
    assert_eq!(guard(&LpsMap::IDENTITY, GOOD, Freedom::Rigid), Ok(()));
}

#[test]
fn a_head_that_had_to_be_halved_is_refused() {
    let half =
        LpsMap::about([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]], [0.0; 3], [0.0; 3]);

    let error = guard(&half, GOOD, Freedom::Affine).unwrap_err();

    assert!(error.to_string().contains("0.50 times the other: wanted 0.8 to 1.25"), "{error}");
}

#[test]
fn a_match_that_is_no_number_is_refused() {
    let none = Match { shared_information: f64::NAN, ..GOOD };

    assert!(guard(&LpsMap::IDENTITY, none, Freedom::Affine).is_err());
}
