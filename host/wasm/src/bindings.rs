/*! The contract's WIT package as Rust types and traits. Both roles in one world: a component may export either. */

#[allow(missing_docs, unreachable_pub)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0",
        inline: "
            package vecferry:runtime;
            world plugin {
                include vecferry:plugin/source-plugin@0.1.0;
                include vecferry:plugin/sink-plugin@0.1.0;
            }
        ",
        world: "vecferry:runtime/plugin",
        imports: { default: trappable },
        trappable_error_type: { "vecferry:plugin/types.error" => crate::state::Failure },
        with: {
            "vecferry:plugin/source-files.file": vecferry_powers::SourceFile,
            "vecferry:plugin/sqlite.database": vecferry_powers::Database,
            "vecferry:plugin/sqlite.rows": vecferry_powers::Rows,
            "vecferry:plugin/sink-files.output": vecferry_powers::Output,
        },
    });
}

pub(crate) use generated::exports::vecferry::plugin::{sink, source};
pub(crate) use generated::vecferry::plugin::{batches, http, sink_files, source_files, sqlite, telemetry, types};
