/*!
How a record is laid out in Pinecone: [`ids`] that the service takes, metadata made to fit by the rules of [`fit`], and
the way back in [`restore`]. Whatever reaches Pinecone is laid out here, whether it is sent to the service or written as
files that the service imports, so that applications cannot tell the one from the other.

Pure: no power is used. What it is not: a client.
*/

pub mod fit;
pub mod ids;
pub mod json;
pub mod percent;
pub mod restore;
