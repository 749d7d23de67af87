/*! Calls a plugin's functions: messages out, answers in, panics and broken answers as errors that name plugin and call. */

use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vecferry_contract::abi::{Buffer, Bytes, FAILED, HostHandle, OK, ObjectFn, OpenFn, PANICKED, PluginFn};
use vecferry_contract::{Error, PluginSpec, Result, printable};

use crate::powers::Context;

/// Bytes of a panic's message.
const MAX_PANIC_BYTES: usize = 4096;

/// The border to one plugin, whose name stands in the errors.
#[derive(Clone)]
pub(crate) struct Border {
    plugin: Arc<str>,
}

/// Something that a plugin's `open` made: a scan or a writer. Not `Send`: it is used on the thread that opened it.
pub(crate) struct Object {
    border: Border,
    pointer: *mut c_void,
    close: ObjectFn,
    /// After a panic it may be half changed: it is closed, and not used any more.
    broken: bool,
    _on_one_thread: PhantomData<*mut c_void>,
}

impl Border {
    pub(crate) fn new(plugin: &str) -> Self {
        Border { plugin: plugin.into() }
    }

    /// Asks for a spec, with no powers.
    pub(crate) fn spec(&self, function: PluginFn) -> Result<PluginSpec> {
        let spec: PluginSpec = self.call_with(Context::nobody(), "spec", function, &())?;
        spec.checked()
    }

    /// Calls a function without an object.
    pub(crate) fn call<R: DeserializeOwned>(
        &self,
        context: &Context,
        name: &'static str,
        function: PluginFn,
        args: &impl Serialize,
    ) -> Result<R> {
        self.call_with(context.handle(), name, function, args)
    }

    fn call_with<R: DeserializeOwned>(
        &self,
        host: HostHandle,
        name: &'static str,
        function: PluginFn,
        args: &impl Serialize,
    ) -> Result<R> {
        // SAFETY: a function of the plugin's table, called as `abi::PluginFn` says; `args` and `out` live as long as
        // the call.
        let out = self.exchange(name, args, |args, out| unsafe { function(host, args, out) })?;
        self.decode(name, &out)
    }

    /// Makes an object. `close` is its table's.
    pub(crate) fn open(
        &self,
        context: &Context,
        function: OpenFn,
        close: ObjectFn,
        args: &impl Serialize,
    ) -> Result<Object> {
        let mut pointer = std::ptr::null_mut();
        let host = context.handle();
        // SAFETY: as in `call`; `pointer` lives as long as the call.
        self.exchange("open", args, |args, out| unsafe { function(host, args, &raw mut pointer, out) })?;
        if pointer.is_null() {
            return Err(self.fault(
                "open",
                "plugin/message",
                "broke the rules of the border: it opened nothing".to_owned(),
            ));
        }
        Ok(Object { border: self.clone(), pointer, close, broken: false, _on_one_thread: PhantomData })
    }

    /// Sends a message and waits for the bytes of the answer.
    fn exchange(
        &self,
        name: &'static str,
        args: &impl Serialize,
        function: impl FnOnce(Bytes, *mut Buffer) -> u32,
    ) -> Result<Answer> {
        let args = postcard::to_stdvec(args)
            .map_err(|e| Error::internal("host/message", format!("cannot encode the arguments of {name}: {e}")))?;
        let mut out = Buffer::EMPTY;
        let status = function(Bytes { data: args.as_ptr(), len: args.len() }, &raw mut out);
        let out = Answer(out);
        match status {
            OK => Ok(out),
            FAILED => Err(self.decode::<Error>(name, &out)?.checked()),
            PANICKED => {
                let message = printable(&String::from_utf8_lossy(out.bytes()), MAX_PANIC_BYTES);
                Err(self.fault(name, "plugin/panic", format!("panicked: {message}")))
            }
            other => {
                let what = format!("broke the rules of the border: it answered with the unknown status {other}");
                Err(self.fault(name, "plugin/message", what))
            }
        }
    }

    fn decode<R: DeserializeOwned>(&self, name: &'static str, out: &Answer) -> Result<R> {
        postcard::from_bytes(out.bytes()).map_err(|error| {
            self.fault(name, "plugin/message", format!("broke the rules of the border: its answer is none ({error})"))
        })
    }

    fn fault(&self, name: &str, code: &str, what: String) -> Error {
        Error::internal(code, format!("the plugin {} {what}", self.plugin))
            .hint("this is a fault of the plugin; its author will want to know this message and the input")
            .at("plugin", &self.plugin)
            .at("call", name)
    }
}

impl Object {
    /// Calls one of its functions.
    pub(crate) fn call<R: DeserializeOwned>(
        &mut self,
        name: &'static str,
        function: ObjectFn,
        args: &impl Serialize,
    ) -> Result<R> {
        if self.broken {
            let what = "panicked before; what it had open cannot be used any more".to_owned();
            return Err(self.border.fault(name, "plugin/panic", what));
        }
        let pointer = self.pointer;
        // SAFETY: a function of the table whose `open` made the object, which is open, is borrowed mutably for the
        // call, and stays on its thread because it is not `Send`.
        let answer = self.border.exchange(name, args, |args, out| unsafe { function(pointer, args, out) });
        self.broken = answer.as_ref().is_err_and(|error| error.code == "plugin/panic");
        self.border.decode(name, &answer?)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let (pointer, close) = (self.pointer, self.close);
        // SAFETY: as in `call`; the last one, since the object is dropped.
        let closed = self.border.exchange("close", &(), |args, out| unsafe { close(pointer, args, out) });
        if let Err(error) = closed {
            tracing::warn!(plugin = &*self.border.plugin, "closing failed: {error}");
        }
    }
}

/// What a plugin handed over; given back to it when dropped.
struct Answer(Buffer);

impl Answer {
    fn bytes(&self) -> &[u8] {
        if self.0.data.is_null() || self.0.len == 0 {
            return &[];
        }
        // SAFETY: the plugin promises `len` bytes behind `data` until it is freed, which happens in `drop`.
        unsafe { std::slice::from_raw_parts(self.0.data, self.0.len) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(free) = self.0.free.take() {
            // SAFETY: called once, with the fields as the plugin set them.
            unsafe { free(self.0.data, self.0.len, self.0.capacity) };
        }
    }
}
