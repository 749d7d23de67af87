/*! `http`: requests that leave through the host. */

use vecferry_powers::Request as Sent;

use crate::bindings::http::{Host, Request, Response};
use crate::state::{Failure, State};

impl Host for State {
    fn send(&mut self, request: Request) -> Result<Response, Failure> {
        self.serve(|state| {
            let Request { method, url, headers, body, timeout_ms } = request;
            let answer = state.powers.send(Sent { method: method.into(), url, headers, body, timeout_ms })?;
            Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
        })
    }
}
