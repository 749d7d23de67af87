/*! `vecferry dev`: servers on this machine to try things out with. */

use vecferry_core::{Error, Result};
use vecferry_pinecone_local::{Options, Server};

use crate::args::DevCommand;
use crate::exit::Exit;
use crate::render;

pub(crate) fn run(command: &DevCommand) -> Result<Exit> {
    let DevCommand::Pinecone { port } = command;
    let failed = |error: std::io::Error| {
        Error::config("dev/start", format!("the server cannot be started: {error}")).hint("choose another --port")
    };
    let server = Server::start(Options { port: *port, ..Options::default() }).map_err(failed)?;
    render::result(&format!("PINECONE_CONTROLLER_HOST={}", server.url()));
    render::result(&format!("PINECONE_API_KEY={}", server.api_key()));
    render::note("a Pinecone in memory; set both variables and migrate with --to pinecone:INDEX; Ctrl-C ends it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(tokio::signal::ctrl_c()).map_err(failed)?;
    Ok(Exit::Success)
}
