/*!
A thread that owns one connection and runs one query at a time on it.

It steps ahead of what was asked for, within bounds, so that SQLite works while the plugin does.
*/

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use rusqlite::types::ValueRef;
use rusqlite::{ToSql, params_from_iter};
use vecferry_contract::{Error, Result, Value};

use super::Limits;
use super::guard::{Guarded, Stop};
use super::snapshot::Snapshot;

/// Rows, and whether they were the last.
type Answer = (Vec<Vec<Value>>, bool);

enum Call {
    Query { sql: String, params: Vec<Value> },
    Next(u32),
    Close,
}

enum Reply {
    Ready,
    Columns(Vec<String>),
    Rows(Answer),
    Failed(Error),
}

/// Rows that are read ahead, and their bytes.
const AHEAD_ROWS: usize = 4096;
const AHEAD_BYTES: usize = 4 << 20;

/// The near end of a lane. Dropping it ends the thread and closes the connection.
pub(super) struct Lane {
    calls: Sender<Call>,
    replies: Receiver<Reply>,
    name: String,
    alive: bool,
    /// Set while the lane works on a query that nobody waits for any more.
    given_up: Arc<AtomicBool>,
}

impl Lane {
    pub(super) fn start(snapshot: Arc<Snapshot>, limits: Limits, cancelled: Arc<AtomicBool>) -> Result<Self> {
        let (calls, incoming) = channel();
        let (outgoing, replies) = channel();
        let name = snapshot.name().to_owned();
        let given_up = Arc::new(AtomicBool::new(false));
        let stop = Stop { cancelled, given_up: Arc::clone(&given_up) };
        thread::Builder::new()
            .name("vecferry-sqlite".to_owned())
            .spawn(move || {
                // The near end waits for each reply; when it is gone there is nobody to tell.
                match Guarded::open(snapshot.uri(), snapshot.name(), limits, stop) {
                    Ok(guarded) => {
                        let _ = outgoing.send(Reply::Ready);
                        Serving { guarded, limits, calls: incoming, replies: outgoing }.run();
                    }
                    Err(error) => {
                        let _ = outgoing.send(Reply::Failed(error));
                    }
                }
            })
            .map_err(|e| Error::transient("sqlite/thread", format!("cannot start a thread for a query: {e}")))?;
        let mut lane = Lane { calls, replies, name, alive: true, given_up };
        match lane.reply()? {
            Reply::Ready => Ok(lane),
            _ => Err(lane.broken()),
        }
    }

    /// Starts a query; column names.
    pub(super) fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<String>> {
        match self.ask(Call::Query { sql: sql.to_owned(), params: params.to_vec() })? {
            Reply::Columns(columns) => Ok(columns),
            _ => Err(self.broken()),
        }
    }

    /// The query's next rows, and whether they were the last.
    pub(super) fn next(&mut self, max: u32) -> Result<Answer> {
        match self.ask(Call::Next(max))? {
            Reply::Rows(answer) => Ok(answer),
            _ => Err(self.broken()),
        }
    }

    /// Ends a query whose rows were not used up.
    pub(super) fn close(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.alive = self.alive && self.calls.send(Call::Close).is_ok();
    }

    /// Whether it can take another query.
    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    fn ask(&mut self, call: Call) -> Result<Reply> {
        match self.calls.send(call) {
            Ok(()) => self.reply(),
            Err(_) => Err(self.broken()),
        }
    }

    fn reply(&mut self) -> Result<Reply> {
        match self.replies.recv() {
            Ok(Reply::Failed(error)) => Err(error),
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.broken()),
        }
    }

    fn broken(&mut self) -> Error {
        self.alive = false;
        Error::internal("sqlite/thread", "the host failed while it ran a query").at("file", &self.name)
    }
}

/// The far end.
struct Serving {
    guarded: Guarded,
    limits: Limits,
    calls: Receiver<Call>,
    replies: Sender<Reply>,
}

impl Serving {
    fn run(&self) {
        while let Ok(call) = self.calls.recv() {
            match call {
                Call::Query { sql, params } => {
                    if let Err(error) = self.serve(&sql, params)
                        && self.replies.send(Reply::Failed(error)).is_err()
                    {
                        return;
                    }
                }
                Call::Close => self.guarded.resume(),
                Call::Next(_) => {}
            }
        }
    }

    /// One query, from its start to its last row, its closing or its error.
    fn serve(&self, sql: &str, params: Vec<Value>) -> Result<()> {
        let failed = |e: rusqlite::Error| self.guarded.fault(&e);
        self.guarded.start_call();
        let mut statement = self.guarded.connection.prepare_cached(sql).map_err(failed)?;
        // Beside the authorizer, not instead of it: VACUUM, for one, asks it only when it runs.
        if !statement.readonly() {
            let message = "a plugin may only read; its statement would change the database";
            return Err(Error::denied("sqlite/denied", message)
                .hint("this is a fault of the plugin: only SELECT is allowed, with functions that only compute")
                .at("file", self.guarded.name()));
        }
        let columns = self.guarded.columns(&statement);
        let mut ahead = Ahead { width: columns.len(), rows: VecDeque::new(), bytes: 0, end: None };
        let params = params.into_iter().map(Bound);
        let mut cursor = statement.query(params_from_iter(params)).map_err(failed)?;
        // A closed channel means that the near end is gone; the loop in `run` sees it too, and ends.
        if self.replies.send(Reply::Columns(columns)).is_err() {
            return Ok(());
        }
        loop {
            self.guarded.start_call();
            let max = loop {
                let call = match self.calls.try_recv() {
                    Err(TryRecvError::Empty) if ahead.end.is_none() && !ahead.holds(AHEAD_ROWS, self.ahead_bytes()) => {
                        self.step(&mut cursor, &mut ahead);
                        continue;
                    }
                    Err(TryRecvError::Empty) => self.calls.recv().ok(),
                    Ok(call) => Some(call),
                    Err(TryRecvError::Disconnected) => None,
                };
                match call {
                    Some(Call::Next(max)) => break max as usize,
                    Some(Call::Close) => {
                        self.guarded.resume();
                        return Ok(());
                    }
                    Some(Call::Query { .. }) | None => return Ok(()),
                }
            };
            self.guarded.start_call();
            while ahead.end.is_none() && !ahead.holds(max, self.limits.answer_bytes) {
                self.step(&mut cursor, &mut ahead);
            }
            let rows = ahead.take(max, self.limits.answer_bytes);
            let end = if ahead.rows.is_empty() { ahead.end.take() } else { None };
            let done = match end {
                // Rows that came before a fault are given first.
                Some(Err(error)) if rows.is_empty() => return Err(error),
                Some(Err(error)) => {
                    ahead.end = Some(Err(error));
                    false
                }
                Some(Ok(())) => true,
                None => false,
            };
            if self.replies.send(Reply::Rows((rows, done))).is_err() || done {
                return Ok(());
            }
        }
    }

    fn ahead_bytes(&self) -> usize {
        self.limits.answer_bytes.min(AHEAD_BYTES)
    }

    /// Reads one row more, or finds the end.
    fn step(&self, cursor: &mut rusqlite::Rows<'_>, ahead: &mut Ahead) {
        match self.row(cursor, ahead.width) {
            Ok(Some((bytes, row))) => {
                ahead.bytes += bytes;
                ahead.rows.push_back((bytes, row));
            }
            Ok(None) => ahead.end = Some(Ok(())),
            Err(error) => ahead.end = Some(Err(error)),
        }
    }

    /// The next row, and its bytes.
    fn row(&self, cursor: &mut rusqlite::Rows<'_>, width: usize) -> Result<Option<(usize, Vec<Value>)>> {
        let failed = |e: rusqlite::Error| self.guarded.fault(&e);
        let Some(row) = cursor.next().map_err(failed)? else { return Ok(None) };
        let mut values = Vec::with_capacity(width);
        let mut bytes = 0;
        for column in 0..width {
            let value = row.get_ref(column).map_err(failed)?;
            bytes += size(&value);
            if bytes > self.limits.row_bytes() {
                let message = format!("a row of the query holds more than {} bytes", self.limits.row_bytes());
                return Err(Error::unsupported("sqlite/too-big", message).at("file", self.guarded.name()));
            }
            values.push(owned(value));
        }
        Ok(Some((bytes, values)))
    }
}

/// Rows of a query that were read and not yet given, each with its bytes.
struct Ahead {
    width: usize,
    rows: VecDeque<(usize, Vec<Value>)>,
    bytes: usize,
    /// How the query ended.
    end: Option<Result<()>>,
}

impl Ahead {
    /// Whether an answer of so many rows or bytes is there.
    fn holds(&self, rows: usize, bytes: usize) -> bool {
        self.rows.len() >= rows || self.bytes >= bytes
    }

    /// An answer: at least one row, where there is one.
    fn take(&mut self, max: usize, max_bytes: usize) -> Vec<Vec<Value>> {
        let mut out = Vec::with_capacity(max.min(self.rows.len()));
        let mut taken = 0;
        while out.len() < max
            && taken < max_bytes
            && let Some((bytes, row)) = self.rows.pop_front()
        {
            taken += bytes;
            out.push(row);
        }
        self.bytes = self.bytes.saturating_sub(taken);
        out
    }
}

impl Limits {
    fn row_bytes(&self) -> usize {
        usize::try_from(self.value_bytes).unwrap_or_default().saturating_mul(2)
    }
}

fn size(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

struct Bound(Value);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
