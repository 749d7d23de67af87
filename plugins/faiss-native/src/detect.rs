/*!
Which files this plugin claims: indexes that the bundled plugin's decoder understands and refuses because of a type that
libfaiss decodes, and no others. So it can lie among one's plugins at all times: what `faiss` reads stays `faiss`'s, and
what neither reads is refused in `faiss`'s words.
*/

use vecferry_sdk::{Claim, Entry, ErrorKind, Host, Result};

use crate::{base_name, decoded};

/// One more than the surest claim of the bundled plugin.
const CONFIDENCE: u8 = 96;
/// The smallest header of an index.
const SMALLEST: u64 = 32;

/// Types that the decoder in Rust refuses and libfaiss 1.12 reconstructs. (The oracle's recipes, `reader/tests/oracle`,
/// hold all that could be: whitened vectors, lattices, row-wise scaled ones and others libfaiss cannot give back either.)
const OURS: [&str; 1] = ["IndexLSH"];

/// One claim an index.
pub(crate) fn claims(host: &Host) -> Result<Vec<Claim>> {
    let claim = |file: String| Claim { name: base_name(&file).to_owned(), confidence: CONFIDENCE, files: vec![file] };
    Ok(indexes(host)?.into_iter().filter(|file| is_ours(host, file)).map(claim).collect())
}

/// Whether the decoder in Rust refuses an index, and for a type that libfaiss reads.
fn is_ours(host: &Host, file: &str) -> bool {
    decoded(host, file).is_err_and(|error| {
        error.kind == ErrorKind::Unsupported && error.context("type").is_some_and(|class| OURS.contains(&class))
    })
}

/// The indexes among the granted files, by their first bytes.
pub(crate) fn indexes(host: &Host) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for Entry { name, size } in host.list_files()? {
        if size >= SMALLEST && vecferry_faiss_format::is_index(&host.open_file(&name)?.read_at(0, 4)?) {
            files.push(name);
        }
    }
    Ok(files)
}
