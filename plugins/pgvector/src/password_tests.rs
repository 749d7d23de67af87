//! Lines of a password file.

use super::{fields, lookup};

#[test]
fn the_first_line_that_fits() {
    let lines =
        "# a comment:*:*:*:no\nshort:line\ndb.example:5432:docs:ada:first\n*:*:*:ada:an\\:y\\\\\n*:*:*:*:last\n";
    for (wanted, password) in [
        (["db.example", "5432", "docs", "ada"], "first"),
        (["db.example", "5433", "docs", "ada"], "an:y\\"),
        (["localhost", "5432", "docs", "bob"], "last"),
    ] {
        assert_eq!(lookup(lines, wanted).as_deref(), Some(password), "{wanted:?}");
    }
    assert_eq!(lookup("a:1:b:c:d", ["a", "2", "b", "c"]), None);
    assert_eq!(fields("a:b:c:d:pass:word"), ["a", "b", "c", "d", "pass:word"]);
}
