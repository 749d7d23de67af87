/*! The command line as it is typed. Nothing here is resolved or checked beyond syntax. */

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

/// Moves vectors and documents between vector stores, safely, and with proof that everything arrived.
#[derive(Debug, Parser)]
#[command(name = "vecferry", version, about, after_help = crate::exit::HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) plugins: PluginArguments,
    /// Say more on stderr (-vv: still more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every store found in a folder or file
    Inspect(InspectArguments),
    /// Move a store to a destination
    Migrate(MigrateArguments),
    /// Write down what a migration would do, after reading everything once; nothing is written to the destination
    Plan(PlanArguments),
    /// Carry out a plan
    Run(RunArguments),
    /// Go on with a run that was interrupted
    Resume(ResumeArguments),
    /// Show how far a run is
    Status(StatusArguments),
    /// Show all runs
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Prove that everything of a run is at its destination
    Verify(VerifyArguments),
    /// Try the rejected records of a run again
    Retry(RetryArguments),
    /// Show where settings come from, and which origin wins
    Config(ConfigArguments),
    /// Servers to try things out with
    #[command(subcommand)]
    Dev(DevCommand),
    /// Show the plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Fetch or list the built-in embedding models
    #[command(subcommand)]
    Model(ModelCommand),
    /// Search an embedded database by text
    Search(SearchArguments),
}

/// Where plugins come from, besides the bundled ones.
#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    /// Also load this plugin (a .wasm component or a native library); may be repeated
    #[arg(long = "plugin", value_name = "PATH", global = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Also load every plugin in this folder; may be repeated
    #[arg(long = "plugin-dir", value_name = "DIR", global = true, env = "VECFERRY_PLUGIN_DIR", value_delimiter = ':')]
    pub(crate) folders: Vec<PathBuf>,
    /// Trust the native plugin whose file has this SHA-256 digest: it runs with all your rights
    #[arg(long = "allow-native", value_name = "SHA256", global = true)]
    pub(crate) native: Vec<String>,
    /// Let plugins that were not bundled send requests to this host (HOST or HOST:PORT)
    #[arg(long = "allow-host", value_name = "HOST", global = true)]
    pub(crate) hosts: Vec<String>,
    /// Let plugins that were not bundled put this secret (the name of a variable) into their requests
    #[arg(long = "allow-secret", value_name = "NAME", global = true)]
    pub(crate) secrets: Vec<String>,
    /// Seconds that a WebAssembly plugin may compute in one call
    #[arg(long, value_name = "SECONDS", global = true, env = "VECFERRY_PLUGIN_SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) plugin_seconds: u64,
    /// MiB of memory that a WebAssembly plugin may use, at most 4096
    #[arg(long, value_name = "MIB", global = true, env = "VECFERRY_PLUGIN_MEMORY", default_value_t = 1024,
          value_parser = clap::value_parser!(u64).range(16..=4096))]
    pub(crate) plugin_memory: u64,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A folder, one file of a store, or SCHEME:LOCATION such as pinecone:docs
    pub(crate) source: String,
    /// One JSON object a collection, on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// A setting for the source plugin, KEY=VALUE; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// What is to be moved, and how.
#[derive(Debug, Args)]
pub(crate) struct WhatArguments {
    /// A folder, one file of a store, or SCHEME:LOCATION such as pinecone:docs
    pub(crate) source: String,
    /// Where to, as SCHEME:LOCATION, such as sqlite:docs.db, jsonl:out.jsonl or pinecone:docs
    #[arg(long, value_name = "SCHEME:LOCATION")]
    pub(crate) to: String,
    /// Only the store or collection of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Send all collections to this collection or namespace of the destination; also {namespace} in ids
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Template of ids at the destination [default: the store's own ids; where it has none,
    /// {namespace}_{source}_{chunk_id}]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) id: Option<String>,
    /// Where vectors come from: auto, reuse (the store's own), or models in order of preference, each NAME or
    /// PROVIDER:NAME; the first that answers serves the whole run
    #[arg(long, value_name = "auto|reuse|MODELS", default_value = "auto")]
    pub(crate) embed: String,
    /// Rows of a batch
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch_size: u32,
    /// Writers at a time, where the destination takes several
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) writers: u32,
    /// Parts of a collection that are read at a time, where the source has several
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) readers: u32,
    /// Commit what is done after this many records of one writer (and every 3 seconds)
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) checkpoint_rows: u64,
    /// Do not read back and compare at the end
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Compare every record at the end, not a sample
    #[arg(long, conflicts_with = "no_verify")]
    pub(crate) full: bool,
    /// Move vectors that are only approximations of what was stored (PQ, SQ, PCA)
    #[arg(long)]
    pub(crate) accept_lossy: bool,
    /// Move the whole records of a damaged store; those that cannot be read whole go to the dead letter
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
    /// A setting for the plugins, KEY=VALUE (source.KEY or sink.KEY for one of them); may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// Where a run tells of itself.
#[derive(Debug, Args)]
pub(crate) struct TellArguments {
    /// Where rejected records go, one JSON object a line [default: rejected.jsonl in the run's folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letter: Option<PathBuf>,
    /// Where it is noted what was made to fit, record by record [default: changed.jsonl in the run's folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) changes: Option<PathBuf>,
    /// The summary as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// The folder that runs are kept in [default: vecferry in the user's state folder]
    #[arg(long = "state", value_name = "DIR", env = "VECFERRY_STATE_DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    #[command(flatten)]
    pub(crate) what: WhatArguments,
    #[command(flatten)]
    pub(crate) tell: TellArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    /// Read and check everything, write nothing; needs no credentials
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before writing
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) what: WhatArguments,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The plan's summary as one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A file that `vecferry plan` wrote
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) tell: TellArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run [default: the latest that is not finished]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) tell: TellArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The run [default: the latest]
    pub(crate) run: Option<String>,
    /// As a JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// One line a run, the oldest first
    List {
        /// One JSON object a run
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The run [default: the latest]
    pub(crate) run: Option<String>,
    /// Compare every record, not a sample
    #[arg(long)]
    pub(crate) full: bool,
    /// The receipt on stdout
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArguments {
    /// The run [default: the latest]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) tell: TellArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// One JSON object a variable
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevCommand {
    /// A Pinecone of your own on this machine, in memory, until it is stopped
    Pinecone {
        /// The port [default: any that is free]
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// One line a plugin
    List {
        /// One JSON object a plugin
        #[arg(long)]
        json: bool,
    },
    /// What one plugin says about itself
    Info {
        /// Its name
        name: String,
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download a model and the runtime that it needs
    Fetch {
        /// Its name
        #[arg(default_value = vecferry_embed::DEFAULT_MODEL)]
        name: String,
    },
    /// The known models, and whether they are here
    List {
        /// One JSON object a model
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// The database file that `migrate --to sqlite:FILE` wrote
    pub(crate) database: String,
    /// What to search for
    pub(crate) text: String,
    /// The collection [default: the only one, or all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Hits
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) k: u32,
    /// The model [default: the one recorded in the database]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// One JSON object a hit
    #[arg(long)]
    pub(crate) json: bool,
}
