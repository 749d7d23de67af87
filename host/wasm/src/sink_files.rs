/*! `sink-files`: files of the granted destination, as the guest sees them. */

use vecferry_powers::Output;
use wasmtime::component::Resource;

use crate::bindings::sink_files::{Host, HostOutput};
use crate::state::{Failure, State};

impl Host for State {
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
