//! Flat and IDMap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use vecferry_faiss_format::Index;
use vecferry_sdk::Error;
use vecferry_sdk::testing::MemoryFile;

#[test]
fn an_id_map_over_flat_by_hand() {
    let header = |fourcc: &[u8], rows: i64| {
        let mut out = fourcc.to_vec();
        out.extend(2i32.to_le_bytes());
        out.extend(rows.to_le_bytes());
        out.extend([0; 16]);
        out.push(1);
        out.extend(1i32.to_le_bytes());
        out
    };
    let mut bytes = header(b"IxM2", 3);
    bytes.extend(header(b"IxF2", 3));
    bytes.extend(6u64.to_le_bytes());
    bytes.extend([1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(3u64.to_le_bytes());
    bytes.extend([-5i64, 1 << 40, 7].iter().flat_map(|v| v.to_le_bytes()));
    let none = |name: &str| Err(Error::not_found("x", name));
    let index = Index::open(MemoryFile::file("x.index", bytes), &none).unwrap();
    assert_eq!(index.info().rows, 3);
    let chunk = index.vectors_at(1).unwrap().next(10).unwrap().unwrap();
    assert_eq!(chunk.ids, [1 << 40, 7]);
    assert_eq!(chunk.values, [3.0, 4.0, 5.0, 6.0]);
}
