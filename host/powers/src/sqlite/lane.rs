/*! A thread that owns one connection and runs one query at a time on it. */

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::types::ValueRef;
use rusqlite::{ToSql, params_from_iter};
use vecferry_contract::{Error, Result, Value};

use super::Limits;
use super::guard::Guarded;
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

/// The near end of a lane. Dropping it ends the thread and closes the connection.
pub(super) struct Lane {
    calls: Sender<Call>,
    replies: Receiver<Reply>,
    name: String,
    alive: bool,
}

impl Lane {
    pub(super) fn start(snapshot: Arc<Snapshot>, limits: Limits, cancelled: Arc<AtomicBool>) -> Result<Self> {
        let (calls, incoming) = channel();
        let (outgoing, replies) = channel();
        let name = snapshot.name().to_owned();
        thread::Builder::new()
            .name("vecferry-sqlite".to_owned())
            .spawn(move || {
                // The near end waits for each reply; when it is gone there is nobody to tell.
                match Guarded::open(snapshot.uri(), snapshot.name(), limits, cancelled) {
                    Ok(guarded) => {
                        let _ = outgoing.send(Reply::Ready);
                        run(&guarded, limits, &incoming, &outgoing);
                    }
                    Err(error) => {
                        let _ = outgoing.send(Reply::Failed(error));
                    }
                }
            })
            .map_err(|e| Error::transient("sqlite/thread", format!("cannot start a thread for a query: {e}")))?;
        let mut lane = Lane { calls, replies, name, alive: true };
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

fn run(guarded: &Guarded, limits: Limits, calls: &Receiver<Call>, replies: &Sender<Reply>) {
    while let Ok(call) = calls.recv() {
        if let Call::Query { sql, params } = call
            && let Err(error) = serve(guarded, limits, &sql, params, calls, replies)
            && replies.send(Reply::Failed(error)).is_err()
        {
            return;
        }
    }
}

/// One query, from its start to its last row, its closing or its error.
fn serve(
    guarded: &Guarded,
    limits: Limits,
    sql: &str,
    params: Vec<Value>,
    calls: &Receiver<Call>,
    replies: &Sender<Reply>,
) -> Result<()> {
    let failed = |e: rusqlite::Error| guarded.fault(&e);
    guarded.start_call();
    let mut statement = guarded.connection.prepare_cached(sql).map_err(failed)?;
    // Beside the authorizer, not instead of it: VACUUM, for one, asks it only when it runs.
    if !statement.readonly() {
        return Err(Error::denied("sqlite/denied", "a plugin may only read; its statement would change the database")
            .hint("this is a fault of the plugin: only SELECT is allowed, with functions that only compute")
            .at("file", guarded.name()));
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let params = params.into_iter().map(Bound);
    let mut cursor = statement.query(params_from_iter(params)).map_err(failed)?;
    // A closed channel means that the near end is gone; the loop in `run` sees it too, and ends.
    if replies.send(Reply::Columns(columns)).is_err() {
        return Ok(());
    }
    while let Ok(Call::Next(max)) = calls.recv() {
        guarded.start_call();
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut done = false;
        while rows.len() < max as usize && bytes < limits.answer_bytes {
            let Some(row) = cursor.next().map_err(failed)? else {
                done = true;
                break;
            };
            let mut values = Vec::with_capacity(width);
            let mut row_bytes = 0;
            for column in 0..width {
                let value = row.get_ref(column).map_err(failed)?;
                row_bytes += size(&value);
                if row_bytes > limits.row_bytes() {
                    let message = format!("a row of the query holds more than {} bytes", limits.row_bytes());
                    return Err(Error::unsupported("sqlite/too-big", message).at("file", guarded.name()));
                }
                values.push(owned(value));
            }
            bytes += row_bytes;
            rows.push(values);
        }
        if replies.send(Reply::Rows((rows, done))).is_err() || done {
            break;
        }
    }
    Ok(())
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
