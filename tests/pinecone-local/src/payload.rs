/*!
An answer's body on the wire: whole, or announced whole and broken off.
*/

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

pub(crate) struct Payload {
    rest: Option<Bytes>,
    /// Bytes that are announced and not yet sent.
    announced: u64,
    cut: bool,
}

impl Payload {
    pub(crate) fn whole(bytes: Vec<u8>) -> Payload {
        let announced = bytes.len() as u64;
        Payload { rest: (!bytes.is_empty()).then(|| bytes.into()), announced, cut: false }
    }

    /// Announces all of `bytes`, sends half of them, and ends the connection.
    pub(crate) fn cut(mut bytes: Vec<u8>) -> Payload {
        let announced = bytes.len().max(1) as u64;
        bytes.truncate(bytes.len() / 2);
        Payload { rest: (!bytes.is_empty()).then(|| bytes.into()), announced, cut: true }
    }
}

/// Makes the HTTP library end a connection.
#[derive(Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the schedule of faults ends this connection")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Cut {
        match never {}
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(match self.rest.take() {
            Some(bytes) => {
                self.announced = self.announced.saturating_sub(bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            None if self.cut => Some(Err(Cut)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
