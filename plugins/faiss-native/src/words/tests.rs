use vecferry_sdk::ErrorKind;

use super::*;

#[test]
fn libfaiss_words_keep_their_meaning_and_lose_the_machine_they_were_built_on() {
    // As libfaiss 1.12 throws them.
    let cases = [
        (
            "Error in virtual void faiss::Index::reconstruct(faiss::idx_t, float*) const at /home/me/faiss/Index.cpp:54: \
             reconstruct not implemented for this type of index",
            ErrorKind::Unsupported,
            "reconstruct not implemented for this type of index (Index.cpp:54)",
        ),
        (
            "Error in faiss::Index* faiss::read_index(IOReader*, int) at /b/index_read.cpp:1247: Index type 0x6e667249 \
             (\"Irfn\") not recognized",
            ErrorKind::Unsupported,
            "Index type 0x6e667249 (\"Irfn\") not recognized (index_read.cpp:1247)",
        ),
        (
            "Error in void faiss::read_index_header(Index*, IOReader*) at /b/index_read.cpp:60: Error: 'ret == (1)' \
             failed: read error in : 0 != 1 (Success)",
            ErrorKind::Corrupt,
            "Error: 'ret == (1)' failed: read error in : 0 != 1 (Success) (index_read.cpp:60)",
        ),
        ("std::exception", ErrorKind::Corrupt, "it asks for more memory than an index of its size can need"),
    ];
    for (thrown, kind, says) in cases {
        let error = refused("a.index", thrown);
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.ends_with(&format!("this index: {says}")), "{error}");
        assert_eq!(error.context("file"), Some("a.index"));
        assert!(error.hint.is_some());
    }
}
