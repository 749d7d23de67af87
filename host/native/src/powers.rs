/*!
The host's powers as a table of functions that a plugin calls.

A plugin holds a context number, never a pointer into the host: whatever it keeps, passes on or makes up, it reaches
the powers of a living instance or gets an error.
*/

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use vecferry_contract::abi::{
    Buffer, Bytes, Cursor, FAILED, HostHandle, HostTable, Line, OK, Opened, PANICKED, PowerFn, Statement,
};
use vecferry_contract::{Capability, Error, Level, Request, Result};
use vecferry_core::Grants;
use vecferry_powers::{Database, MAX_READ_BYTES, Output, Powers, Rows, SourceFile};

static CONTEXTS: LazyLock<RwLock<HashMap<u64, Arc<Instance>>>> = LazyLock::new(RwLock::default);
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// The powers of one instance, reachable by its number until this is dropped.
pub(crate) struct Context(u64);

/// What a context number stands for.
struct Instance {
    powers: Powers,
    handles: Mutex<HashMap<u64, Handle>>,
}

#[derive(Clone)]
enum Handle {
    File(Arc<SourceFile>),
    Database(Arc<Database>),
    Rows(Arc<Mutex<Rows>>),
    Output(Arc<Mutex<Output>>),
}

impl Context {
    pub(crate) fn new(plugin: &str, requested: &[Capability], grants: Grants) -> Self {
        let powers = Powers::new(plugin, requested, grants);
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let instance = Arc::new(Instance { powers, handles: Mutex::default() });
        CONTEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(number, instance);
        Context(number)
    }

    pub(crate) fn handle(&self) -> HostHandle {
        HostHandle { table: &raw const TABLE, context: self.0 }
    }

    /// For calls that have no powers.
    pub(crate) fn nobody() -> HostHandle {
        HostHandle { table: &raw const TABLE, context: 0 }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let gone = CONTEXTS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        // After the lock is given back: closing files and threads may take a while.
        drop(gone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instance {
    fn find(context: u64) -> Result<Arc<Instance>> {
        let contexts = CONTEXTS.read().unwrap_or_else(PoisonError::into_inner);
        contexts.get(&context).cloned().ok_or_else(|| {
            Error::internal("host/closed", "the plugin called the host from an instance that is closed, or from none")
        })
    }

    fn keep(&self, handle: Handle) -> u64 {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        lock(&self.handles).insert(number, handle);
        number
    }

    fn keep_output(&self, output: Output) -> Opened {
        let size = output.size();
        Opened { handle: self.keep(Handle::Output(Arc::new(Mutex::new(output)))), size }
    }

    fn get<T>(&self, number: u64, pick: impl FnOnce(Handle) -> Option<T>) -> Result<T> {
        let handle = lock(&self.handles).get(&number).cloned();
        handle.and_then(pick).ok_or_else(|| {
            Error::internal(
                "host/handle",
                format!("the plugin used the handle {number}, which is closed or of another kind"),
            )
        })
    }

    fn file(&self, number: u64) -> Result<Arc<SourceFile>> {
        self.get(number, |handle| if let Handle::File(file) = handle { Some(file) } else { None })
    }

    fn database(&self, number: u64) -> Result<Arc<Database>> {
        self.get(number, |handle| if let Handle::Database(database) = handle { Some(database) } else { None })
    }

    fn rows(&self, number: u64) -> Result<Arc<Mutex<Rows>>> {
        self.get(number, |handle| if let Handle::Rows(rows) = handle { Some(rows) } else { None })
    }

    fn output(&self, number: u64) -> Result<Arc<Mutex<Output>>> {
        self.get(number, |handle| if let Handle::Output(output) = handle { Some(output) } else { None })
    }
}

/// The powers, in safe code: instance, handle, arguments. Each gets a function of `abi::PowerFn` of its own.
macro_rules! powers {
    ($($name:ident = $power:expr;)*) => {
        mod entry {
            use super::*;
            $(
                // SAFETY: plugins call it as `abi::PowerFn` says.
                pub(super) unsafe extern "C" fn $name(context: u64, handle: u64, args: Bytes, out: *mut Buffer) -> u32 {
                    // SAFETY: the plugin's promises, handed on.
                    unsafe { answer(context, handle, args, out, $power) }
                }
            )*
        }
    };
}

powers! {
    list_files = |host, _, (): ()| host.powers.list_files();
    file_open = |host, _, name: &str| {
        let file = host.powers.open_file(name)?;
        let size = file.size();
        Ok(Opened { handle: host.keep(Handle::File(Arc::new(file))), size })
    };
    sqlite_open = |host, _, name: &str| {
        Ok(host.keep(Handle::Database(Arc::new(host.powers.open_sqlite(name)?))))
    };
    sqlite_query = |host, database, statement: Statement<'_>| {
        let rows = host.database(database)?.query(statement.sql, &statement.params)?;
        let columns = rows.columns().to_vec();
        Ok(Cursor { handle: host.keep(Handle::Rows(Arc::new(Mutex::new(rows)))), columns })
    };
    sqlite_next = |host, rows, max: u32| lock(&*host.rows(rows)?).next(max);
    http_send = |host, _, request: Request| host.powers.send(request);
    output_create = |host, _, name: &str| {
        Ok(host.keep_output(host.powers.create_output(name)?).handle)
    };
    output_list = |host, _, (): ()| host.powers.list_outputs();
    output_reopen = |host, _, name: &str| Ok(host.powers.reopen_output(name)?.map(|output| host.keep_output(output)));
    output_open = |host, _, name: &str| Ok(host.keep_output(host.powers.open_output(name)?));
    output_truncate = |host, output, size: u64| lock(&*host.output(output)?).truncate(size);
    output_sync = |host, output, (): ()| lock(&*host.output(output)?).sync();
    output_commit = |host, output, (): ()| lock(&*host.output(output)?).commit();
    close = |host, handle, (): ()| {
        let gone = lock(&host.handles).remove(&handle);
        // After the lock is given back: closing may take a while.
        drop(gone);
        Ok(())
    };
    log_enabled = |host, _, level: Level| Ok(host.powers.log_enabled(level));
    log = |host, _, line: Line<'_>| {
        let fields: Vec<(String, String)> =
            line.fields.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
        host.powers.log(line.level, line.message, &fields);
        Ok(())
    };
    cancelled = |host, _, (): ()| Ok(host.powers.cancelled());
}

/// The one of the process.
static TABLE: HostTable = HostTable {
    struct_size: size_of::<HostTable>(),
    list_files: Some(entry::list_files),
    file_open: Some(entry::file_open),
    file_read: Some(file_read),
    sqlite_open: Some(entry::sqlite_open),
    sqlite_query: Some(entry::sqlite_query),
    sqlite_next: Some(entry::sqlite_next),
    http_send: Some(entry::http_send),
    output_create: Some(entry::output_create),
    output_write: Some(output_write as PowerFn),
    output_sync: Some(entry::output_sync),
    output_read: Some(output_read),
    output_commit: Some(entry::output_commit),
    close: Some(entry::close),
    log_enabled: Some(entry::log_enabled),
    log: Some(entry::log),
    cancelled: Some(entry::cancelled),
    output_list: Some(entry::output_list),
    output_reopen: Some(entry::output_reopen),
    output_open: Some(entry::output_open),
    output_truncate: Some(entry::output_truncate),
};

// SAFETY: plugins call it as `abi::ReadFn` says.
unsafe extern "C" fn file_read(
    context: u64,
    handle: u64,
    offset: u64,
    into: *mut u8,
    len: usize,
    read: *mut usize,
    out: *mut Buffer,
) -> u32 {
    // SAFETY: the plugin's promises, handed on.
    unsafe { read_into(context, into, len, read, out, |host, into| host.file(handle)?.read_into(offset, into)) }
}

// SAFETY: plugins call it as `abi::ReadFn` says.
unsafe extern "C" fn output_read(
    context: u64,
    handle: u64,
    offset: u64,
    into: *mut u8,
    len: usize,
    read: *mut usize,
    out: *mut Buffer,
) -> u32 {
    // SAFETY: the plugin's promises, handed on.
    unsafe {
        read_into(context, into, len, read, out, |host, into| {
            let len = u32::try_from(into.len()).unwrap_or(u32::MAX);
            let bytes = lock(&*host.output(handle)?).read_at(offset, len)?;
            let len = bytes.len().min(into.len());
            into[..len].copy_from_slice(&bytes[..len]);
            Ok(len)
        })
    }
}

// SAFETY: plugins call it as `abi::PowerFn` says.
unsafe extern "C" fn output_write(context: u64, handle: u64, args: Bytes, out: *mut Buffer) -> u32 {
    // SAFETY: the plugin's promises, handed on.
    unsafe {
        guarded(out, || {
            let host = Instance::find(context)?;
            lock(&*host.output(handle)?).write(lent(args))
        })
    }
}

/// # Safety
/// As `abi::ReadFn` says: `into` can be written to for `len` bytes, `read` and `out` can be written to.
unsafe fn read_into(
    context: u64,
    into: *mut u8,
    len: usize,
    read: *mut usize,
    out: *mut Buffer,
    power: impl FnOnce(&Instance, &mut [u8]) -> Result<usize>,
) -> u32 {
    // SAFETY: the caller's promises.
    unsafe {
        guarded(out, || {
            let host = Instance::find(context)?;
            if len > MAX_READ_BYTES as usize {
                let message =
                    format!("one read asked for {len} bytes, more than the {MAX_READ_BYTES} that are allowed");
                return Err(Error::unsupported("file/read-too-large", message)
                    .hint("this is a fault of the plugin: it must read in smaller pieces"));
            }
            let into = if into.is_null() { &mut [] } else { std::slice::from_raw_parts_mut(into, len) };
            read.write(power(&host, into)?);
            Ok(())
        })
    }
}

/// # Safety
/// As `abi::PowerFn` says: `args` lives as long as the call, `out` can be written to.
unsafe fn answer<'a, A: Deserialize<'a>, R: Serialize>(
    context: u64,
    handle: u64,
    args: Bytes,
    out: *mut Buffer,
    power: impl FnOnce(&Instance, u64, A) -> Result<R>,
) -> u32 {
    // SAFETY: the caller's promises, handed on.
    unsafe {
        guarded(out, || {
            let host = Instance::find(context)?;
            let args = postcard::from_bytes(lent(args)).map_err(|e| {
                Error::internal("host/message", format!("the host cannot decode a message of the plugin: {e}"))
            })?;
            power(&host, handle, args)
        })
    }
}

/// Runs a power: its result, its error or its panic goes into `out`.
///
/// # Safety
/// `out` can be written to.
unsafe fn guarded<R: Serialize>(out: *mut Buffer, power: impl FnOnce() -> Result<R>) -> u32 {
    let encode = |message: Result<Vec<u8>, postcard::Error>| {
        message.map_err(|e| Error::internal("host/message", format!("the host cannot encode an answer: {e}")))
    };
    let run = || match power().and_then(|result| encode(postcard::to_stdvec(&result))) {
        Ok(message) => (OK, message),
        // A message that cannot be encoded is no message: the plugin reports an answer it does not understand.
        Err(error) => (FAILED, encode(postcard::to_stdvec(&error)).unwrap_or_default()),
    };
    // What a panic may leave half done lies behind locks and is dropped with the instance.
    let (status, message) = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        (PANICKED, text.unwrap_or("a panic without a message").as_bytes().to_vec())
    });
    // SAFETY: the caller's promise; `out` holds an empty buffer, which needs no freeing.
    unsafe { out.write(give(message)) };
    status
}

/// Hands bytes over.
fn give(bytes: Vec<u8>) -> Buffer {
    unsafe extern "C" fn free(data: *mut u8, len: usize, capacity: usize) {
        // SAFETY: the three came from a `Vec<u8>` of the host, taken apart below.
        drop(unsafe { Vec::from_raw_parts(data, len, capacity) });
    }
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    Buffer { data: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity(), free: Some(free) }
}

/// Bytes of a plugin for the length of a call.
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
