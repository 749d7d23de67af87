//! The examples of parquet's `Encodings.md`, and runs that are wrong.

use vecferry_sdk::{Error, Result};

use super::{Bytes, Hybrid};

struct Slice<'a>(&'a [u8]);

impl Bytes for Slice<'_> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(|| self.wrong("the end"))?;
        self.0 = rest;
        Ok(*first)
    }
    fn wrong(&self, message: &str) -> Error {
        Error::corrupt("test", message)
    }
}

fn decode(width: u32, bytes: &[u8], count: usize) -> Result<Vec<u32>> {
    let (mut hybrid, mut bytes) = (Hybrid::new(width), Slice(bytes));
    (0..count).map(|_| hybrid.next(&mut bytes)).collect()
}

#[test]
fn runs_and_groups_are_decoded() {
    let cases: [(&str, u32, &[u8], &[u32]); 7] = [
        ("eight values of three bits", 3, &[0x03, 0x88, 0xC6, 0xFA], &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("a run", 1, &[0x0a, 0x01], &[1; 5]),
        ("a run of no bits", 0, &[0x08], &[0; 4]),
        ("a run of two bytes", 9, &[0x04, 0x2c, 0x01], &[300, 300]),
        ("a run, then a group", 1, &[0x04, 0x01, 0x03, 0b0000_0101], &[1, 1, 1, 0, 1, 0, 0, 0]),
        ("two groups", 1, &[0x05, 0xff, 0x00], &[1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]),
        ("values of 32 bits", 32, &[0x02, 0xff, 0xff, 0xff, 0xff], &[u32::MAX]),
    ];
    for (name, width, bytes, want) in cases {
        assert_eq!(decode(width, bytes, want.len()).unwrap(), want, "{name}");
    }
}

#[test]
fn what_ends_too_early_or_goes_nowhere_is_refused() {
    let cases: [(&str, u32, &[u8], usize); 6] = [
        ("nothing", 1, &[], 1),
        ("a run without its value", 1, &[0x0a], 1),
        ("a group cut short", 3, &[0x03, 0x88], 8),
        ("a run of none", 1, &[0x00, 0x01], 1),
        ("no groups", 1, &[0x01], 1),
        ("a length without end", 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1),
    ];
    for (name, width, bytes, count) in cases {
        assert!(decode(width, bytes, count).is_err(), "{name}");
    }
}
