/*! `sink-files`: files of the granted destination, as the guest sees them. */

use vecferry_powers::Output;
use wasmtime::component::Resource;

use crate::bindings::sink_files::{Host, HostOutput};
use crate::bindings::source_files::Entry;
use crate::state::{Failure, State};

impl Host for State {
    fn list_files(&mut self) -> Result<Vec<Entry>, Failure> {
        self.serve(|state| {
            let entries = state.powers.list_outputs()?;
            Ok(entries.into_iter().map(|entry| Entry { name: entry.name, size: entry.size }).collect())
        })
    }

    fn reopen(&mut self, name: String) -> Result<Option<Resource<Output>>, Failure> {
        self.serve(|state| state.powers.reopen_output(&name)?.map(|output| state.keep(output)).transpose())
    }

    fn open(&mut self, name: String) -> Result<Resource<Output>, Failure> {
        self.serve(|state| {
            let output = state.powers.open_output(&name)?;
            state.keep(output)
        })
    }

    fn create(&mut self, name: String) -> Result<Resource<Output>, Failure> {
        self.serve(|state| {
            let output = state.powers.create_output(&name)?;
            state.keep(output)
        })
    }
}

impl HostOutput for State {
    fn write(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> Result<(), Failure> {
        self.serve(|state| state.handle_mut(&output)?.write(&bytes))
    }

    fn size(&mut self, output: Resource<Output>) -> wasmtime::Result<u64> {
        Ok(self.handle(&output).map_err(|error| wasmtime::Error::msg(error.message))?.size())
    }

    fn truncate(&mut self, output: Resource<Output>, size: u64) -> Result<(), Failure> {
        self.serve(|state| state.handle_mut(&output)?.truncate(size))
    }

    fn sync(&mut self, output: Resource<Output>) -> Result<u64, Failure> {
        self.serve(|state| state.handle_mut(&output)?.sync())
    }

    fn read_at(&mut self, output: Resource<Output>, offset: u64, len: u32) -> Result<Vec<u8>, Failure> {
        self.serve(|state| state.handle(&output)?.read_at(offset, len))
    }

    fn commit(&mut self, output: Resource<Output>) -> Result<(), Failure> {
        self.serve(|state| state.handle_mut(&output)?.commit())
    }

    fn drop(&mut self, output: Resource<Output>) -> wasmtime::Result<()> {
        self.release(output)
    }
}
