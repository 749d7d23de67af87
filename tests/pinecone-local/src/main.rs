/*!
`pinecone-local`: the local Pinecone as a process. Prints one line of JSON once it answers, and ends on SIGTERM or
Ctrl-C.
*/

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use vecferry_pinecone_local::{Options, Server};

/// A Pinecone on this machine, in memory, for tests and for trying out.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The key that every request must carry.
    #[arg(long, default_value = "pinecone-local")]
    api_key: String,
    /// Hold to the service's rates, such as 100 upserts a second in one namespace.
    #[arg(long)]
    rates: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pinecone-local: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> std::io::Result<()> {
    let Arguments { port, api_key, rates } = arguments;
    let server = Server::start(Options { port, api_key, rates })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Listened for before the line is printed, so that whoever reads it may already end the process.
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut line = json!({"url": server.url(), "api_key": server.api_key()}).to_string();
        line.push('\n');
        let mut output = std::io::stdout().lock();
        output.write_all(line.as_bytes())?;
        output.flush()?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            stop = tokio::signal::ctrl_c() => stop,
        }
    })
}
