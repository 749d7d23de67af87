/*! What the tests of several powers share. */

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vecferry_core::SourceGrant;
use vecferry_powers::{Capability, Grants, Powers};

/// The capabilities, all of them.
pub(crate) const ALL: [Capability; 4] =
    [Capability::SourceFiles, Capability::Sqlite, Capability::Http, Capability::SinkFiles];

/// Powers over a store: all below `root`, or only `files`.
pub(crate) fn over_store(root: &Path, files: Option<&[&str]>) -> Powers {
    let files = files.map(|files| files.iter().map(|file| (*file).to_owned()).collect());
    let source = Some(SourceGrant { root: root.to_owned(), files });
    Powers::new("probe", &ALL, Grants { source, ..Grants::default() })
}

/// A store that a real library wrote.
pub(crate) fn fixture(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(case)
}

/// Every file below a folder with its bytes, and every folder with none.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut out = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_dir() { None } else { Some(std::fs::read(&path).unwrap()) };
            if content.is_none() {
                folders.push(path.clone());
            }
            out.insert(path, content);
        }
    }
    out
}

/// A copy of a folder that the test may change.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for (path, content) in tree(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        match content {
            None => std::fs::create_dir_all(&target).unwrap(),
            Some(bytes) => {
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::write(&target, bytes).unwrap();
            }
        }
    }
}
