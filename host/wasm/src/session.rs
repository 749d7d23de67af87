/*! One role of one plugin at work: an instance, made when it is needed, and every call into it. */

use std::sync::Arc;

use tracing::debug;
use vecferry_contract::{Capability, Error, Result};
use vecferry_core::Grants;
use vecferry_powers::Powers;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::types;
use crate::contract;
use crate::faults::fault;
use crate::limits::{Budget, Clock, MAX_TRANSFER_BYTES};
use crate::runtime::Shared;
use crate::state::State;

/// Finds a role's functions in an instance.
pub(crate) type Find<G> = fn(&InstancePre<State>, &mut Store<State>, &Instance) -> wasmtime::Result<G>;

/// What the instances of one role are made from.
pub(crate) struct Maker<G> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pre: InstancePre<State>,
    pub(crate) find: Find<G>,
    /// The plugin's name, in errors.
    pub(crate) plugin: String,
    pub(crate) capabilities: Vec<Capability>,
}

impl<G> Clone for Maker<G> {
    fn clone(&self) -> Self {
        Maker {
            shared: Arc::clone(&self.shared),
            pre: self.pre.clone(),
            find: self.find,
            plugin: self.plugin.clone(),
            capabilities: self.capabilities.clone(),
        }
    }
}

/// A role with its grants. After a fault the instance is gone, and the next call makes a fresh one.
pub(crate) struct Session<G> {
    maker: Maker<G>,
    grants: Grants,
    /// What it works on, in errors; empty when that has no name.
    input: String,
    live: Option<Live<G>>,
}

struct Live<G> {
    store: Store<State>,
    guest: G,
}

impl<G> Session<G> {
    pub(crate) fn new(maker: Maker<G>, grants: Grants, input: String) -> Self {
        Session { maker, grants, input, live: None }
    }

    /// Calls a function that answers with a result of the contract.
    ///
    /// # Errors
    /// The guest's own, or `internal` (`plugin/trap`, `plugin/deadline`, `plugin/memory`).
    pub(crate) fn call<T>(
        &mut self,
        call: &str,
        work: impl FnOnce(&mut Store<State>, &G) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<T> {
        self.call_plain(call, work)?.map_err(|error| Error::from(error).checked())
    }

    /// Calls a function that answers with anything.
    ///
    /// # Errors
    /// As [`Session::call`], without the guest's own.
    pub(crate) fn call_plain<T>(
        &mut self,
        call: &str,
        work: impl FnOnce(&mut Store<State>, &G) -> wasmtime::Result<T>,
    ) -> Result<T> {
        let mut live = match self.live.take() {
            Some(live) => live,
            None => self.start()?,
        };
        begin(&mut live.store);
        match work(&mut live.store, &live.guest) {
            Ok(answer) => {
                self.live = Some(live);
                Ok(answer)
            }
            // The store is dropped here: what trapped is never called again.
            Err(error) => Err(self.place(&error, live.store.data(), call)),
        }
    }

    /// Gives a resource back to the instance it came from, if that still lives. A guest whose destructor fails is
    /// not used again; nobody waits for its answer, so it is no error.
    pub(crate) fn drop_resource(&mut self, resource: wasmtime::component::ResourceAny) {
        let Some(mut live) = self.live.take() else { return };
        begin(&mut live.store);
        match resource.resource_drop(&mut live.store) {
            Ok(()) => self.live = Some(live),
            Err(error) => debug!(plugin = %self.maker.plugin, "dropping a resource failed: {error:?}"),
        }
    }

    fn start(&self) -> Result<Live<G>> {
        let Maker { shared, pre, find, plugin, capabilities } = &self.maker;
        let options = &shared.options;
        let powers = Powers::new(plugin, capabilities, self.grants.clone());
        let clock = Clock::new(options.call_deadline, options.host_deadline);
        let state = State::new(powers, Budget::new(options.memory_bytes), clock);
        let mut store = Store::new(&shared.engine, state);
        store.limiter(|state| &mut state.budget);
        store.set_hostcall_fuel(MAX_TRANSFER_BYTES);
        store.epoch_deadline_callback(|cx| {
            cx.data().clock.check()?;
            Ok(UpdateDeadline::Continue(1))
        });
        begin(&mut store);
        let instance = match pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(self.place(&error, store.data(), "start")),
        };
        let guest = find(pre, &mut store, &instance).map_err(|e| contract::other_exports(&e))?;
        Ok(Live { store, guest })
    }

    /// The error of a guest that ended: who, in which call, on what.
    fn place(&self, error: &wasmtime::Error, state: &State, call: &str) -> Error {
        let plugin = &self.maker.plugin;
        debug!(%plugin, call, "the plugin ended: {error:?}");
        let mut fault = fault(error, state);
        fault.message = format!("the plugin {plugin} {}", fault.message);
        let fault = fault.at("plugin", plugin).at("call", call);
        if self.input.is_empty() { fault } else { fault.at("input", &self.input) }
    }
}

/// A call begins: clocks and counters start anew, and the epoch is looked at from the next tick on.
fn begin(store: &mut Store<State>) {
    store.data_mut().start_call();
    store.set_epoch_deadline(1);
}
