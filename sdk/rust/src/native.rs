/*!
The native half of the SDK: the tables of a plugin library (see [`vecferry_contract::abi`]), its functions, and the
host's powers over the host's table.

What it is not for: plugin authors. They use [`Host`](crate::Host) and the traits; nothing here is public API.
*/
#![allow(unsafe_code)]

mod powers;
mod roles;

use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use serde::{Deserialize, Serialize};
use vecferry_contract::abi::{Buffer, Bytes, FAILED, HostHandle, HostTable, OK, PANICKED};

pub use vecferry_contract::abi::{ABI_VERSION, PluginTable};

pub use roles::{SinkExport, SourceExport};

use crate::{Error, Host, Result};

/// The host as a call of a plugin's function hands it over, safe to use.
#[derive(Clone, Copy)]
struct HostCalls {
    table: HostTable,
    context: u64,
}

impl HostCalls {
    /// # Safety
    /// `handle.table` is null or points to a host's table.
    unsafe fn new(handle: HostHandle) -> Self {
        const NONE: HostTable = HostTable {
            struct_size: 0,
            list_files: None,
            file_open: None,
            file_read: None,
            sqlite_open: None,
            sqlite_query: None,
            sqlite_next: None,
            http_send: None,
            output_create: None,
            output_write: None,
            output_sync: None,
            output_read: None,
            output_commit: None,
            close: None,
            log_enabled: None,
            log: None,
            cancelled: None,
            output_list: None,
            output_reopen: None,
            output_open: None,
            output_truncate: None,
        };
        let mut table = NONE;
        if !handle.table.is_null() {
            // SAFETY: a table starts with its size (the caller's promise), so that many bytes can be read; no more
            // than fit are copied; the fields after the size are optional function pointers, and those of them that
            // the host does not have stay `None`.
            unsafe {
                let len = handle.table.cast::<usize>().read().min(size_of::<HostTable>());
                std::ptr::copy_nonoverlapping(handle.table.cast::<u8>(), (&raw mut table).cast::<u8>(), len);
            }
        }
        HostCalls { table, context: handle.context }
    }

    /// Calls a power with a message and reads its answer.
    fn call<R: for<'a> Deserialize<'a>>(
        &self,
        power: impl Fn(&HostTable) -> Option<vecferry_contract::abi::PowerFn>,
        handle: u64,
        args: &impl Serialize,
    ) -> Result<R> {
        let args = encode(args)?;
        decode(&self.call_raw(power(&self.table), handle, &args)?)
    }

    /// Calls a power with bytes as they are; its answer as a message.
    fn call_raw(&self, power: Option<vecferry_contract::abi::PowerFn>, handle: u64, args: &[u8]) -> Result<Vec<u8>> {
        let power = power.ok_or_else(too_old)?;
        let mut out = Buffer::EMPTY;
        // SAFETY: the pointer came from the host's table, whose functions take a context, a handle, bytes that live as
        // long as the call, and a place for a buffer.
        let status =
            unsafe { power(self.context, handle, Bytes { data: args.as_ptr(), len: args.len() }, &raw mut out) };
        // SAFETY: the host filled `out`, or left it empty.
        let out = unsafe { take(out) };
        answered(status, out)
    }

    /// Reads from a file or an output into `into`; how many bytes.
    fn read(
        &self,
        power: Option<vecferry_contract::abi::ReadFn>,
        handle: u64,
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize> {
        let power = power.ok_or_else(too_old)?;
        let mut read = 0;
        let mut out = Buffer::EMPTY;
        // SAFETY: the pointer came from the host's table; `into` may be written to for its whole length, and nobody
        // else looks at it during the call.
        let status =
            unsafe { power(self.context, handle, offset, into.as_mut_ptr(), into.len(), &raw mut read, &raw mut out) };
        // SAFETY: the host filled `out`, or left it empty.
        let out = unsafe { take(out) };
        answered(status, out)?;
        Ok(read.min(into.len()))
    }
}

fn too_old() -> Error {
    Error::unsupported("host/too-old", "the plugin needs a power that this host does not have")
        .hint("use a newer version of the program")
}

fn answered(status: u32, out: Vec<u8>) -> Result<Vec<u8>> {
    match status {
        OK => Ok(out),
        FAILED => Err(decode::<Error>(&out)?),
        PANICKED => Err(Error::internal("host/panic", format!("the host panicked: {}", String::from_utf8_lossy(&out)))),
        other => Err(Error::internal("host/message", format!("the host answered with the unknown status {other}"))),
    }
}

fn encode(message: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(message)
        .map_err(|e| Error::internal("plugin/message", format!("the plugin cannot encode a message: {e}")))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes)
        .map_err(|e| Error::internal("plugin/message", format!("the plugin cannot decode a message of the host: {e}")))
}

/// The bytes of a buffer that was handed over, which is freed.
///
/// # Safety
/// `buffer` is empty or was filled by its owner, and nobody else holds it.
unsafe fn take(buffer: Buffer) -> Vec<u8> {
    if buffer.data.is_null() {
        return Vec::new();
    }
    // SAFETY: the owner promises `len` bytes behind `data` until `free` is called, which happens once, here.
    unsafe {
        let bytes = std::slice::from_raw_parts(buffer.data, buffer.len).to_vec();
        if let Some(free) = buffer.free {
            free(buffer.data, buffer.len, buffer.capacity);
        }
        bytes
    }
}

/// Hands bytes over.
fn give(bytes: Vec<u8>) -> Buffer {
    unsafe extern "C" fn free(data: *mut u8, len: usize, capacity: usize) {
        // SAFETY: the three came from a `Vec<u8>` of this library, taken apart below.
        drop(unsafe { Vec::from_raw_parts(data, len, capacity) });
    }
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    Buffer { data: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity(), free: Some(free) }
}

/// Bytes of the host for the length of a call.
///
/// # Safety
/// `bytes` points to `len` bytes that live as long as `'a`, or `len` is 0.
unsafe fn lent<'a>(bytes: Bytes) -> &'a [u8] {
    if bytes.data.is_null() || bytes.len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }
}

thread_local! {
    /// Where the last panic of this thread happened; the payload that `catch_unwind` returns does not say.
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a function of the plugin: its result, its error or its panic goes into `out`.
///
/// # Safety
/// `out` can be written to.
unsafe fn border<R: Serialize>(out: *mut Buffer, call: impl FnOnce() -> Result<R>) -> u32 {
    static HOOK: Once = Once::new();
    // This library has a standard library of its own, hence a panic hook of its own. The host reports the panic;
    // the default hook would print it a second time.
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            PANIC_PLACE.with(|last| last.replace(place));
        }));
    });
    let run = || match call().and_then(|result| encode(&result)) {
        Ok(message) => (OK, message),
        // A message that cannot be encoded is no message: the host reports an answer it does not understand.
        Err(error) => (FAILED, encode(&error).unwrap_or_default()),
    };
    // What a panic leaves half done is dropped by the host: it uses the object no more.
    let (status, message) =
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| (PANICKED, describe(panic.as_ref()).into_bytes()));
    // SAFETY: the caller's promise; `out` holds an empty buffer, which needs no freeing.
    unsafe { out.write(give(message)) };
    status
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    match PANIC_PLACE.with(RefCell::take) {
        place if place.is_empty() => message,
        place => format!("{message} (at {place})"),
    }
}

/// A function without an object.
///
/// # Safety
/// As `abi::PluginFn` says: `host` is a host's, `args` lives as long as the call, `out` can be written to.
unsafe fn plain<'a, A: Deserialize<'a>, R: Serialize>(
    host: HostHandle,
    args: Bytes,
    out: *mut Buffer,
    call: impl FnOnce(Host, A) -> Result<R>,
) -> u32 {
    // SAFETY: the caller's promises, handed on.
    unsafe {
        border(out, || {
            let host = Host::new(Rc::new(powers::NativePowers(HostCalls::new(host))));
            call(host, decode(lent(args))?)
        })
    }
}

/// A function that makes an object.
///
/// # Safety
/// As [`plain`], and `object` can be written to.
unsafe fn open<'a, A: Deserialize<'a>, T>(
    host: HostHandle,
    args: Bytes,
    object: *mut *mut c_void,
    out: *mut Buffer,
    call: impl FnOnce(Host, A) -> Result<T>,
) -> u32 {
    // SAFETY: the caller's promises, handed on; the object is written before the call reports that it worked.
    unsafe {
        plain(host, args, out, |host, args| {
            let made: *mut T = Box::into_raw(Box::new(call(host, args)?));
            object.write(made.cast());
            Ok(())
        })
    }
}

/// A function of an object.
///
/// # Safety
/// `object` came from [`open`] with the same `T`, was not closed, and is used by nobody else during the call; the
/// rest as [`plain`].
unsafe fn method<'a, T: 'a, A: Deserialize<'a>, R: Serialize>(
    object: *mut c_void,
    args: Bytes,
    out: *mut Buffer,
    call: impl FnOnce(&'a mut T, A) -> Result<R>,
) -> u32 {
    // SAFETY: the caller's promises.
    unsafe { border(out, || call(&mut *object.cast::<T>(), decode(lent(args))?)) }
}

/// Ends an object.
///
/// # Safety
/// As [`method`]; the object is gone afterwards.
unsafe fn close<T>(object: *mut c_void, out: *mut Buffer) -> u32 {
    // SAFETY: the object was made by `Box::into_raw` in `open` and is given back once.
    unsafe {
        border(out, || {
            drop(Box::from_raw(object.cast::<T>()));
            Ok(())
        })
    }
}

/// The native half of [`export!`](crate::export).
///
/// The entry is left out of a crate's own unit tests. Two plugin crates cannot be linked into one program: both would
/// define it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    (source: $source:ty, sink: $sink:ty $(,)?) => {
        $crate::__export_native!(@entry &$crate::native::SourceExport::<$source>::TABLE, &$crate::native::SinkExport::<$sink>::TABLE);
    };
    (source: $source:ty $(,)?) => {
        $crate::__export_native!(@entry &$crate::native::SourceExport::<$source>::TABLE, ::core::ptr::null());
    };
    (sink: $sink:ty $(,)?) => {
        $crate::__export_native!(@entry ::core::ptr::null(), &$crate::native::SinkExport::<$sink>::TABLE);
    };
    (@entry $source:expr, $sink:expr) => {
        #[cfg(not(test))]
        const _: () = {
            #[cfg(panic = "abort")]
            ::core::compile_error!("a native plugin is built with panic = \"unwind\": the host must survive its panics");

            /// `vecferry_contract::abi::ENTRY`
            #[allow(unsafe_code)]
            #[unsafe(no_mangle)]
            extern "C" fn vecferry_plugin_entry() -> *const $crate::native::PluginTable {
                const TABLE: &$crate::native::PluginTable = &$crate::native::PluginTable {
                    struct_size: ::core::mem::size_of::<$crate::native::PluginTable>(),
                    abi_version: $crate::native::ABI_VERSION,
                    source: $source,
                    sink: $sink,
                };
                TABLE
            }
        };
    };
}
