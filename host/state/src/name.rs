/*! Names of runs: `20261122-214803-k3f9`, the UTC time of the making and four random characters. */

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use vecferry_core::{Error, Result};

use crate::moment::Moment;

/// Without those that are taken for one another.
const CHARACTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
const RANDOM: usize = 4;

/// A new name for a run made at `moment`. Names of one second sort by chance.
pub(crate) fn make(moment: Moment) -> String {
    let mut random = RandomState::new().hash_one((moment.0, std::process::id()));
    let mut name = moment.compact();
    name.push('-');
    for _ in 0..RANDOM {
        name.push(char::from(CHARACTERS[(random % 32) as usize]));
        random /= 32;
    }
    name
}

/// Whether a folder of this name is a run.
pub(crate) fn is_name(name: &str) -> bool {
    let shape = "dddddddd-dddddd-rrrr";
    name.len() == shape.len()
        && name.bytes().zip(shape.bytes()).all(|(byte, expected)| match expected {
            b'd' => byte.is_ascii_digit(),
            b'r' => CHARACTERS.contains(&byte),
            _ => byte == expected,
        })
}

/// Refuses what is no name, before it becomes a part of a path.
///
/// # Errors
/// `state/name` (config).
pub(crate) fn check(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::config("state/name", format!("{name:?} is not the name of a run"))
        .hint("a run is named like 20261122-214803-k3f9: see `vecferry runs list`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_a_name() {
        for seconds in [0, 1_795_384_083] {
            let name = make(Moment(seconds * 1000));
            assert!(is_name(&name), "{name}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        let others =
            ["", "..", "../20261122-214803-k3f9", "20261122-214803-k3/9", "20261122-214803-k3f", ".new-abcdef"];
        for other in others {
            assert_eq!(check(other).map_err(|error| error.code), Err("state/name".to_owned()), "{other:?}");
        }
    }
}
