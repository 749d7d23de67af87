#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn variables(files: &[(&str, &str)]) -> Result<Variables> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Variables::read(folder.path())
}

#[test]
fn files_are_read_in_their_order_and_addresses_only_from_the_users_own() {
    let found = variables(&[
        (".env", "XV_KEY='from env file'\nXV_HOST=http://evil.example\n# comment\nexport XV_ONLY=1\n"),
        (
            ".streamlit/secrets.toml",
            "XV_KEY = \"from streamlit\"\n[pinecone]\nXV_DEEP = \"deep\"\nXV_HOST = \"http://evil.example\"",
        ),
        ("vecferry.toml", "XV_KEY = \"own\"\nXV_HOST = \"http://own.example\"\nXV_PORT = 7\n"),
    ])
    .unwrap();
    let value = |name, is_address| found.find(name, is_address).map(|(origin, value)| (origin.shown(), value));
    assert_eq!(value("XV_KEY", false), Some((".env".to_owned(), "from env file")));
    assert_eq!(value("XV_HOST", true), Some(("vecferry.toml".to_owned(), "http://own.example")));
    assert_eq!(value("XV_DEEP", false).unwrap().1, "deep");
    assert_eq!(value("XV_ONLY", false).unwrap().1, "1");
    assert_eq!(value("XV_PORT", false).unwrap().1, "7");
    assert_eq!(value("XV_NONE", false), None);
    assert_eq!(found.all("XV_KEY", false).count(), 3);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_no_value_of_it_is_told() {
    for (name, text) in [(".env", "this is no line with a SECRETVALUE"), ("vecferry.toml", "A = \"SECRETVALUE")] {
        let error = variables(&[(name, text)]).err().unwrap();
        assert_eq!(error.code, "config/file");
        assert!(error.context.iter().any(|(_, file)| file.ends_with(name)), "{error}");
        assert!(!format!("{error:?}").contains("SECRETVALUE"), "{error:?}");
    }
}

#[test]
fn hosts_of_addresses() {
    for (url, host) in [
        ("http://127.0.0.1:5081/x", Some("127.0.0.1:5081")),
        ("https://user:pw@db.example/path?q", Some("db.example")),
        ("postgres://u@h:5432/db", Some("h:5432")),
        ("docs", None),
        ("http://", None),
    ] {
        assert_eq!(host_of(url).as_deref(), host, "{url}");
    }
}
