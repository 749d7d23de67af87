/*! `source-files`: the granted store's files, as the guest sees them. */

use vecferry_powers::SourceFile;
use wasmtime::component::Resource;

use crate::bindings::source_files::{Entry, Host, HostFile};
use crate::state::{Failure, State};

impl Host for State {
    fn list_files(&mut self) -> Result<Vec<Entry>, Failure> {
        self.serve(|state| {
            let entries = state.powers.list_files()?;
            Ok(entries.into_iter().map(|entry| Entry { name: entry.name, size: entry.size }).collect())
        })
    }

    fn open(&mut self, name: String) -> Result<Resource<SourceFile>, Failure> {
        self.serve(|state| {
            let file = state.powers.open_file(&name)?;
            state.keep(file)
        })
    }
}

impl HostFile for State {
    fn size(&mut self, file: Resource<SourceFile>) -> wasmtime::Result<u64> {
        Ok(self.handle(&file)?.size())
    }

    fn read_at(&mut self, file: Resource<SourceFile>, offset: u64, len: u32) -> Result<Vec<u8>, Failure> {
        self.serve(|state| state.handle(&file)?.read_at(offset, len))
    }

    fn drop(&mut self, file: Resource<SourceFile>) -> wasmtime::Result<()> {
        self.release(file)
    }
}
