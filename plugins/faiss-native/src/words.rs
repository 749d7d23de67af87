/*! What libfaiss says when it cannot, as errors that people understand. */

use vecferry_sdk::Error;

/// Parts of messages by which libfaiss says that it has no way to do something, rather than that an index is damaged.
const CANNOT: [&str; 7] = [
    "not implemented",
    "unknown qtype",
    "not recognized",
    "not supported",
    "only supported when",
    "saved without its",
    "two records have the id",
];

/// libfaiss refused an index, in these words.
pub(crate) fn refused(file: &str, message: &str) -> Error {
    let said = match message {
        // What the C interface makes of every exception that is not libfaiss' own.
        "std::exception" => "it asks for more memory than an index of its size can need".to_owned(),
        _ => without_place(message),
    };
    if CANNOT.iter().any(|cannot| message.contains(cannot)) {
        let message = format!("libfaiss cannot give the vectors of this index: {said}");
        return Error::unsupported("faiss-native/unsupported", message)
            .hint("embed the documents anew, if they are kept elsewhere")
            .at("file", file);
    }
    let message = format!("libfaiss cannot read this index: {said}");
    Error::corrupt("faiss-native/corrupt", message)
        .hint("write the index anew, or take it from a backup")
        .at("file", file)
}

/// `Error in SIGNATURE at /where/it/was/built/Index.cpp:54: WORDS` as `WORDS (Index.cpp:54)`.
fn without_place(message: &str) -> String {
    let place_and_words = || {
        let rest = message.strip_prefix("Error in ")?;
        let (place, words) = rest.split_once(" at ")?.1.split_once(": ")?;
        Some((place.rsplit_once('/').map_or(place, |(_, file)| file), words))
    };
    match place_and_words() {
        Some((place, words)) => format!("{} ({place})", words.trim_end()),
        None => message.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests;
