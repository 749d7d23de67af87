/*! What belongs to one running instance, and how its calls into the host are made. */

use std::time::Instant;

use vecferry_contract::{Error, Result};
use vecferry_powers::Powers;
use wasmtime::component::{Resource, ResourceTable};

use crate::bindings::{batches, types};
use crate::limits::{Budget, Clock};

/// Handles that one instance may hold; `vecferry_powers` counts the open files among them more strictly.
const MAX_HANDLES: usize = 1024;

/// The data of one instance's store.
pub(crate) struct State {
    pub(crate) powers: Powers,
    pub(crate) budget: Budget,
    pub(crate) clock: Clock,
    /// The panic that the guest reported in the running call, just before it ends.
    pub(crate) last_words: Option<String>,
    /// Log lines so far.
    pub(crate) lines: u32,
    handles: ResourceTable,
}

/// How a host function fails.
pub(crate) enum Failure {
    /// The guest gets this error.
    Error(Error),
    /// The guest ends.
    Trap(wasmtime::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl State {
    pub(crate) fn new(powers: Powers, budget: Budget, clock: Clock) -> Self {
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(MAX_HANDLES);
        State { powers, budget, clock, last_words: None, lines: 0, handles }
    }

    /// A call into the guest begins.
    pub(crate) fn start_call(&mut self) {
        self.budget.start_call();
        self.clock.start_call();
        self.last_words = None;
    }

    /// Does a host function's work. The time it takes is the host's, not the guest's.
    pub(crate) fn serve<T>(&mut self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T, Failure> {
        self.clock.check().map_err(|deadline| Failure::Trap(deadline.into()))?;
        let started = Instant::now();
        let answer = work(self);
        self.clock.add_host(started.elapsed());
        answer.map_err(Failure::Error)
    }

    /// Gives the guest a handle.
    pub(crate) fn keep<T: Send + 'static>(&mut self, entry: T) -> Result<Resource<T>> {
        self.handles.push(entry).map_err(|_| {
            Error::unsupported("host/too-many-open", format!("the plugin holds {MAX_HANDLES} handles already"))
                .hint("this is a fault of the plugin: it must drop what it no longer needs")
        })
    }

    /// What a handle stands for.
    pub(crate) fn handle<T: 'static>(&self, handle: &Resource<T>) -> Result<&T> {
        self.handles.get(handle).map_err(|e| unknown_handle(&e))
    }

    /// What a handle stands for.
    pub(crate) fn handle_mut<T: 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T> {
        self.handles.get_mut(handle).map_err(|e| unknown_handle(&e))
    }

    /// The guest gave a handle back.
    pub(crate) fn release<T: 'static>(&mut self, handle: Resource<T>) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}

fn unknown_handle(error: &wasmtime::component::ResourceTableError) -> Error {
    Error::internal("host/unknown-handle", format!("the plugin used a handle that it does not hold: {error}"))
}

impl types::Host for State {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<types::Error> {
        match failure {
            Failure::Error(error) => Ok(error.into()),
            Failure::Trap(trap) => Err(trap),
        }
    }
}

impl batches::Host for State {}
