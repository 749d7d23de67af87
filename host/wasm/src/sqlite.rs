/*! `sqlite`: read-only queries on a granted file, as the guest sees them. */

use vecferry_powers::{Database, Rows};
use wasmtime::component::Resource;

use crate::bindings::sqlite::{Host, HostDatabase, HostRows, Value};
use crate::state::{Failure, State};

impl Host for State {
    fn open(&mut self, name: String) -> Result<Resource<Database>, Failure> {
        self.serve(|state| {
            let database = state.powers.open_sqlite(&name)?;
            state.keep(database)
        })
    }
}

impl HostDatabase for State {
    fn query(
        &mut self,
        database: Resource<Database>,
        sql: String,
        params: Vec<Value>,
    ) -> Result<Resource<Rows>, Failure> {
        self.serve(|state| {
            let params: Vec<_> = params.into_iter().map(Into::into).collect();
            let rows = state.handle(&database)?.query(&sql, &params)?;
            state.keep(rows)
        })
    }

    fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.release(database)
    }
}

impl HostRows for State {
    fn columns(&mut self, rows: Resource<Rows>) -> wasmtime::Result<Vec<String>> {
        Ok(self.handle(&rows)?.columns().to_vec())
    }

    fn next(&mut self, rows: Resource<Rows>, max: u32) -> Result<Vec<Vec<Value>>, Failure> {
        self.serve(|state| {
            let rows = state.handle_mut(&rows)?.next(max)?;
            Ok(rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect())
        })
    }

    fn drop(&mut self, rows: Resource<Rows>) -> wasmtime::Result<()> {
        self.release(rows)
    }
}
