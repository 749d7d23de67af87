//! Against the `snap` crate, and against streams that are wrong.

use vecferry_sdk::Result;
use vecferry_sdk::testing::MemoryFile;

use super::Snappy;

fn decompress(bytes: &[u8], promised: u64, pieces: usize) -> Result<Vec<u8>> {
    let mut stream = Snappy::new(MemoryFile::file("page", bytes), 0, bytes.len() as u64, promised)?;
    let mut out = Vec::new();
    loop {
        let piece = stream.take(pieces)?;
        if piece.is_empty() {
            return Ok(out);
        }
        out.extend_from_slice(piece);
    }
}

/// Bytes between noise and one repeated byte.
fn sample(len: usize, variety: u64) -> Vec<u8> {
    let mut state = 7u64;
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 40) % variety
    };
    (0..len).map(|_| u8::try_from(step(&mut state)).unwrap()).collect()
}

#[test]
fn what_snap_compresses_is_decompressed() {
    for len in [0, 1, 59, 60, 61, 300, 4096, 65_535, 65_536, 70_000, 400_000] {
        for variety in [1, 2, 5, 256] {
            let plain = sample(len, variety);
            let packed = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
            for pieces in [1, 1000, usize::MAX] {
                if pieces > 1 || len < 5000 {
                    let got = decompress(&packed, len as u64, pieces).unwrap();
                    assert!(got == plain, "{len} bytes of {variety} kinds, {pieces} at a time");
                }
            }
        }
    }
}

#[test]
fn wrong_streams_are_refused() {
    let cases: [(&str, &[u8], u64); 8] = [
        ("no length", &[], 1),
        ("another length", &[2, 4, b'a', b'b'], 3),
        ("a literal cut short", &[4, 0x0c, b'a'], 4),
        ("a literal that is too long", &[2, 0x10, b'a', b'b', b'c'], 2),
        ("a copy of nothing", &[4, 0x01, 0], 4),
        ("a copy from before the start", &[5, 0x00, b'a', 0x01, 2], 5),
        ("a copy that is too long", &[3, 0x00, b'a', 0x0d, 1], 3),
        ("an end in the middle", &[9, 0x00, b'a'], 9),
    ];
    for (name, bytes, promised) in cases {
        assert!(decompress(bytes, promised, 100).is_err(), "{name}");
    }
}

#[test]
fn a_large_claim_takes_no_memory() {
    // 4 GB are promised, three bytes are there.
    let bytes = [0xff, 0xff, 0xff, 0xff, 0x0f, 0xfc, 0xff, 0xff, 0xff, 0x7f, b'a', b'b', b'c'];
    assert!(decompress(&bytes, u64::from(u32::MAX), 100).is_err());
}
