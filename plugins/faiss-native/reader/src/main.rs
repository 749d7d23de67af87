/*! The helper process: requests on standard input, answers on standard output, libfaiss' own words on standard error. */

use std::fs::File;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faiss-reader: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<()> {
    // libfaiss prints now and then; what it prints must not stand between the answers.
    let answers = File::from(rustix::io::dup(rustix::stdio::stdout())?);
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    vecferry_faiss_reader::serve(std::io::stdin(), answers)
}
