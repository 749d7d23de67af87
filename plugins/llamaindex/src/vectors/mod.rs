/*! The two forms of a vector store's file. */

mod faiss;
mod labels;
mod simple;

use vecferry_faiss_format::is_index;
use vecferry_sdk::{Error, File, Result, Unreadable};

use crate::notes::Notes;
use crate::settings::DOCUMENTS_HINT;

pub(crate) use faiss::FaissStore;
pub(crate) use labels::{Fate, Labels, Sources, names_nodes};
pub(crate) use simple::SimpleStore;

/// What a vector store's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    Simple,
    Faiss,
}

impl Form {
    /// By the file's first bytes.
    pub(crate) fn of(file: &File) -> Result<Form> {
        let head = file.read_at(0, 64)?;
        match head.trim_ascii_start().first() {
            Some(b'{') => Ok(Form::Simple),
            _ if is_index(&head) => Ok(Form::Faiss),
            None if file.size() == 0 => {
                Err(Error::corrupt("llamaindex/empty", "the file is empty").at("file", file.name()).at("offset", 0))
            }
            _ => {
                let message = "this vector store is neither JSON nor a FAISS index of a type that is known";
                Err(Error::unsupported("llamaindex/vector-store", message)
                    .at("file", file.name())
                    .at("offset", 0)
                    .hint(DOCUMENTS_HINT))
            }
        }
    }
}

/// One step through a store.
pub(crate) enum Step {
    /// Its vector, if the store has some, was appended.
    Record(Record),
    Unreadable(Unreadable),
    /// A vector that is no record: its node was given another one later.
    Replaced,
}

/// A record but for its vector.
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) document: Option<String>,
    pub(crate) metadata: String,
    pub(crate) notes: Notes,
}

/// "12 of 40 …: a, b, …", with at most five names.
pub(crate) fn naming(names: &[String], count: usize) -> String {
    let more = if count > names.len() { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Names in such a list.
pub(crate) const NAMED: usize = 5;
