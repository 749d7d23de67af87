/*! The tables of a source and of a sink, over the traits that a plugin implements. */
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::marker::PhantomData;

use vecferry_contract::abi::{
    Buffer, Bytes, HostHandle, List, Next, OpenScan, OpenWriter, Plan, Prepare, Query, Rehearse, Settings, SinkTable,
    SourceTable,
};

use super::{close, method, open, plain};
use crate::{Batch, Config, Error, Result, Scan, SinkPlugin, SourcePlugin, Writer};

/// A source's table.
pub struct SourceExport<T>(PhantomData<T>);

/// A sink's table.
pub struct SinkExport<T>(PhantomData<T>);

fn config(json: &str) -> Result<Config> {
    serde_json::from_str(json)
        .map_err(|e| Error::config("config/json", format!("the plugin's settings are no JSON value: {e}")))
}

/// The functions of a table. What follows `=` is safe code; the parent module's functions do the rest.
macro_rules! functions {
    ($role:ident:
     $(plain $plain:ident = $plain_call:expr;)*
     open $open:ident = $open_call:expr;
     $(method $method:ident = $method_call:expr;)*
     close $close:ident = $object:ty;) => {
        $(
            // SAFETY: the host calls it as `abi::PluginFn` says.
            unsafe extern "C" fn $plain<T: $role>(host: HostHandle, args: Bytes, out: *mut Buffer) -> u32 {
                // SAFETY: the host's promises, handed on.
                unsafe { plain(host, args, out, $plain_call) }
            }
        )*
        // SAFETY: the host calls it as `abi::OpenFn` says.
        unsafe extern "C" fn $open<T: $role>(
            host: HostHandle, args: Bytes, object: *mut *mut c_void, out: *mut Buffer,
        ) -> u32 {
            // SAFETY: the host's promises, handed on.
            unsafe { open(host, args, object, out, $open_call) }
        }
        $(
            // SAFETY: the host calls it as `abi::ObjectFn` says, with an object of this table's `open`.
            unsafe extern "C" fn $method(object: *mut c_void, args: Bytes, out: *mut Buffer) -> u32 {
                // SAFETY: the host's promises, handed on.
                unsafe { method(object, args, out, $method_call) }
            }
        )*
        // SAFETY: the host calls it as `abi::ObjectFn` says, with an object of this table's `open`, for the last time.
        unsafe extern "C" fn $close(object: *mut c_void, _args: Bytes, out: *mut Buffer) -> u32 {
            // SAFETY: the host's promises, handed on.
            unsafe { close::<$object>(object, out) }
        }
    };
}

mod source {
    use super::*;

    functions! { SourcePlugin:
        plain spec = |_, (): ()| Ok(T::spec());
        plain detect = |host, (): ()| T::detect(&host);
        plain discover = |host, args: Settings<'_>| T::discover(&host, &config(args.config)?);
        plain plan = |host, args: Plan<'_>| T::plan(&host, &config(args.config)?, args.collection, args.desired);
        open open_scan = |host, args: OpenScan<'_>| T::open(&host, &config(args.config)?, &args.split, args.after);
        method next = |scan: &mut Box<dyn Scan>, args: Next| scan.next(args.max_rows, args.max_bytes);
        close close_scan = Box<dyn Scan>;
    }

    impl<T: SourcePlugin> SourceExport<T> {
        /// For the plugin's entry.
        pub const TABLE: SourceTable = SourceTable {
            struct_size: size_of::<SourceTable>(),
            spec: Some(spec::<T>),
            detect: Some(detect::<T>),
            discover: Some(discover::<T>),
            plan: Some(plan::<T>),
            open: Some(open_scan::<T>),
            scan_next: Some(next),
            scan_close: Some(close_scan),
        };
    }
}

mod sink {
    use super::*;

    functions! { SinkPlugin:
        plain spec = |_, (): ()| Ok(T::spec());
        plain check = |host, args: Settings<'_>| T::check(&host, &config(args.config)?);
        plain prepare = |host, args: Prepare<'_>| T::prepare(&host, &config(args.config)?, &args.target, args.mode);
        plain rehearse = |_, args: Rehearse<'_>| T::rehearse(&config(args.config)?, &args.target, &args.batch);
        plain finish = |host, args: Settings<'_>| T::finish(&host, &config(args.config)?);
        open open_writer = |host, args: OpenWriter<'_>| T::open(&host, &config(args.config)?, &args.target);
        method write = |writer: &mut Box<dyn Writer>, batch: Batch| writer.write(&batch);
        method flush = |writer: &mut Box<dyn Writer>, (): ()| writer.flush();
        method settle = |writer: &mut Box<dyn Writer>, (): ()| writer.settle();
        method list = |writer: &mut Box<dyn Writer>, args: List<'_>| writer.list(args.after, args.max);
        method count = |writer: &mut Box<dyn Writer>, (): ()| writer.count();
        method fetch = |writer: &mut Box<dyn Writer>, ids: Vec<String>| writer.fetch(&ids);
        method query = |writer: &mut Box<dyn Writer>, args: Query<'_>| writer.query(&args.vectors, args.k);
        close close_writer = Box<dyn Writer>;
    }

    impl<T: SinkPlugin> SinkExport<T> {
        /// For the plugin's entry.
        pub const TABLE: SinkTable = SinkTable {
            struct_size: size_of::<SinkTable>(),
            spec: Some(spec::<T>),
            check: Some(check::<T>),
            prepare: Some(prepare::<T>),
            open: Some(open_writer::<T>),
            finish: Some(finish::<T>),
            writer_write: Some(write),
            writer_flush: Some(flush),
            writer_count: Some(count),
            writer_fetch: Some(fetch),
            writer_query: Some(query),
            writer_close: Some(close_writer),
            rehearse: Some(rehearse::<T>),
            writer_settle: Some(settle),
            writer_list: Some(list),
        };
    }
}
