/*! Requests in, answers out, until the plugin closes the pipe. */

use std::cell::RefCell;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;

use rustix::process::{Resource, Rlimit, setrlimit};
use vecferry_faiss_protocol::{Answer, Request, receive, send};

use crate::library::{Failure, Index};
use crate::records::Records;

/// Address space for the program, its libraries and their buffers.
const OWN_BYTES: u64 = 512 << 20;
/// Address space per byte of the index: the index in memory, and a table from ids to places, which weighs several times
/// what a short code does.
const BYTES_PER_BYTE: u64 = 8;

/// Both pipes.
struct Line<I, O> {
    input: I,
    output: O,
}

impl<I: Read, O: Write> Line<I, O> {
    fn receive(&mut self) -> io::Result<Option<(Request, Vec<u8>)>> {
        receive(&mut self.input)
    }

    fn send(&mut self, answer: &Answer, body: &[u8]) -> io::Result<()> {
        send(&mut self.output, answer, body)
    }
}

/// Serves one plugin.
///
/// # Errors
/// When the pipe breaks, or what comes out of it is no request.
pub fn serve(input: impl Read + 'static, output: impl Write + 'static) -> io::Result<()> {
    let line = Rc::new(RefCell::new(Line { input, output }));
    let mut records: Option<Records> = None;
    loop {
        let request = line.borrow_mut().receive()?;
        let (answer, body) = match request {
            None => return Ok(()),
            Some((Request::Open { bytes }, _)) => match open(bytes, Rc::clone(&line)) {
                Ok(opened) => {
                    let about = opened.about();
                    records = Some(opened);
                    (Answer::Opened(about), Vec::new())
                }
                Err(failure) => (Answer::Failed(failure.to_string()), Vec::new()),
            },
            Some((Request::Rows { first, count }, _)) => {
                let rows = records.as_ref().ok_or_else(|| Failure::new("no index is open"));
                match rows.and_then(|records| rows_of(records, first, count)) {
                    Ok(body) => (Answer::Rows, body),
                    Err(failure) => (Answer::Failed(failure.to_string()), Vec::new()),
                }
            }
            Some((Request::Bytes, _)) => (Answer::Failed("nothing was asked for".to_owned()), Vec::new()),
        };
        line.borrow_mut().send(&answer, &body)?;
    }
}

fn open<I: Read + 'static, O: Write + 'static>(bytes: u64, line: Rc<RefCell<Line<I, O>>>) -> Result<Records, Failure> {
    limit_memory(bytes);
    Records::of(Index::read(Feed { line, block: Vec::new(), taken: 0 })?)
}

/// A damaged index can ask for any amount of memory; it gets what an index of its size can need.
fn limit_memory(bytes: u64) {
    let most = bytes.saturating_mul(BYTES_PER_BYTE).saturating_add(OWN_BYTES);
    // Where the user's own limit is lower, that one holds.
    let _ = setrlimit(Resource::As, Rlimit { current: Some(most), maximum: Some(most) });
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

fn rows_of(records: &Records, first: u64, count: u32) -> Result<Vec<u8>, Failure> {
    let (ids, values) = records.read(first, count)?;
    let mut body = Vec::with_capacity(ids.len() * 8 + values.len() * 4);
    body.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(body)
}

/// The index's bytes, asked for block by block.
struct Feed<I, O> {
    line: Rc<RefCell<Line<I, O>>>,
    block: Vec<u8>,
    taken: usize,
}

impl<I: Read, O: Write> Read for Feed<I, O> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl<I: Read, O: Write> BufRead for Feed<I, O> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken >= self.block.len() {
            let mut line = self.line.borrow_mut();
            line.send(&Answer::More, &[])?;
            let Some((Request::Bytes, block)) = line.receive()? else {
                return Err(io::Error::other("the plugin sent no bytes"));
            };
            (self.block, self.taken) = (block, 0);
        }
        Ok(self.block.get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.taken = self.taken.saturating_add(amount);
    }
}
