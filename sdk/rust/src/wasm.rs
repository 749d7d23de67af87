/*!
The WebAssembly half of the SDK: the contract's WIT package as bindings, the host's powers over its
imports, and the exports that [`export!`](crate::export) puts into a plugin.

What it is not for: plugin authors. They use [`Host`](crate::Host) and the traits; nothing here is public API.
*/

mod convert;
mod powers;
mod sink;
mod source;

pub use sink::SinkExport;
pub use source::SourceExport;

use std::rc::Rc;

use crate::kept::Kept;
use crate::{Config, Error, Host, HostPowers, Level, Result};

/// The imports, and the types that both roles share.
#[allow(missing_docs, unsafe_code, unreachable_pub)]
pub mod host {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        inline: "
            package vecferry:sdk;
            world imports {
                include vecferry:plugin/host@0.1.0;
                import vecferry:plugin/batches@0.1.0;
            }
        ",
        world: "vecferry:sdk/imports",
        generate_all,
        generate_unused_types: true,
    });
}

macro_rules! role {
    ($module:ident, $world:literal, $about:literal) => {
        #[doc = $about]
        #[allow(missing_docs, unsafe_code, unreachable_pub)]
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit/0.1.0",
                world: $world,
                pub_export_macro: true,
                with: {
                    "vecferry:plugin/types@0.1.0": super::host::vecferry::plugin::types,
                    "vecferry:plugin/batches@0.1.0": super::host::vecferry::plugin::batches,
                    "vecferry:plugin/telemetry@0.1.0": super::host::vecferry::plugin::telemetry,
                    "vecferry:plugin/source-files@0.1.0": super::host::vecferry::plugin::source_files,
                    "vecferry:plugin/sqlite@0.1.0": super::host::vecferry::plugin::sqlite,
                    "vecferry:plugin/http@0.1.0": super::host::vecferry::plugin::http,
                    "vecferry:plugin/sink-files@0.1.0": super::host::vecferry::plugin::sink_files,
                },
            });
        }
    };
}

role!(source_plugin, "source-plugin", "The exports of a source.");
role!(sink_plugin, "sink-plugin", "The exports of a sink.");

/// What every exported function does first: the handle to the powers, and a panic hook that tells the host
/// the panic's message before the instance ends (there is no unwinding in a guest).
fn enter() -> Host {
    thread_local! {
        /// Lives as long as the instance.
        static KEPT: Kept = Kept::default();
    }
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("a panic without a message");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            powers::WasmPowers.log(Level::Error, message, &[("panic", place)]);
        }));
    });
    Host::with_kept(Rc::new(powers::WasmPowers), KEPT.with(Rc::clone))
}

/// The settings, as the host sent them.
fn config(json: &str) -> Result<Config> {
    serde_json::from_str(json)
        .map_err(|e| Error::config("config/json", format!("the plugin's settings are no JSON value: {e}")))
}

/// The WebAssembly half of [`export!`](crate::export).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_wasm {
    (source: $source:ty, sink: $sink:ty $(,)?) => {
        $crate::__export_wasm!(source: $source);
        $crate::__export_wasm!(sink: $sink);
    };
    (source: $source:ty $(,)?) => {
        const _: () = {
            type Export = $crate::wasm::SourceExport<$source>;
            $crate::wasm::source_plugin::export!(Export with_types_in $crate::wasm::source_plugin);
        };
    };
    (sink: $sink:ty $(,)?) => {
        const _: () = {
            type Export = $crate::wasm::SinkExport<$sink>;
            $crate::wasm::sink_plugin::export!(Export with_types_in $crate::wasm::sink_plugin);
        };
    };
}
