//! Names that a file system might not take, or take for another.

use super::*;

#[test]
fn folders_are_safe_and_apart() {
    let cases = [
        ("docs", "docs"),
        ("v1.2-final_x", "v1.2-final_x"),
        ("", "%"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("Größe 語", "Gr%C3%B6%C3%9Fe%20%E8%AA%9E"),
    ];
    for (collection, want) in cases {
        assert_eq!(folder(collection), want, "{collection:?}");
    }
}

#[test]
fn only_parts_have_numbers() {
    let cases = [
        ("part-00000.parquet", Some(0)),
        ("part-123456.parquet", Some(123_456)),
        ("part-0.parquet", None),
        ("part-00001.parquet.bak", None),
        ("other.parquet", None),
        ("part-99999999999.parquet", None),
    ];
    for (name, want) in cases {
        assert_eq!(part_number(name), want, "{name}");
    }
}
