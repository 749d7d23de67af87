/*! A file of the destination that stands under its name, as something to read. */

use std::rc::Rc;

use vecferry_sdk::{File, Host, Output, ReadAt, Result};

struct Committed {
    name: String,
    size: u64,
    output: Box<dyn Output>,
}

impl ReadAt for Committed {
    fn name(&self) -> &str {
        &self.name
    }
    fn size(&self) -> u64 {
        self.size
    }
    fn read_at(&self, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.output.read_at(offset, len)
    }
}

/// Opens it.
///
/// # Errors
/// `not-found`, `denied`, `transient`.
pub(crate) fn open(host: &Host, name: &str) -> Result<File> {
    let output = host.open_output(name)?;
    Ok(Rc::new(Committed { name: name.to_owned(), size: output.size(), output }))
}
