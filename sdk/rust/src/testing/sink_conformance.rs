/*!
What every sink must do, as named cases that run against any of them: a plugin in the test's own process
([`InProcess`]), or whatever else implements [`SinkUnderTest`] (a plugin behind a runtime).

It holds a sink to the contract on [`SinkPlugin`] and [`Writer`] and to nothing else. What a store cannot
promise (see [`Promises`]) is not asked of it.
*/

use std::marker::PhantomData;

use super::sink_cases::CASES;
use crate::{Config, Host, Limits, PrepareMode, Result, SinkPlugin, Target, Writer};

/// A sink with its location and settings bound.
pub trait SinkUnderTest {
    /// See [`SinkPlugin::check`].
    ///
    /// # Errors
    /// The sink's.
    fn check(&mut self) -> Result<()>;
    /// See [`SinkPlugin::prepare`].
    ///
    /// # Errors
    /// The sink's.
    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits>;
    /// See [`SinkPlugin::open`].
    ///
    /// # Errors
    /// The sink's.
    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>>;
    /// See [`SinkPlugin::finish`].
    ///
    /// # Errors
    /// The sink's.
    fn finish(&mut self) -> Result<()>;
}

/// A plugin in the test's own process.
pub struct InProcess<P> {
    host: Host,
    config: Config,
    plugin: PhantomData<P>,
}

impl<P: SinkPlugin> InProcess<P> {
    /// Over these powers, with these settings.
    pub fn new(host: Host, config: Config) -> Self {
        InProcess { host, config, plugin: PhantomData }
    }
}

impl<P: SinkPlugin> SinkUnderTest for InProcess<P> {
    fn check(&mut self) -> Result<()> {
        P::check(&self.host, &self.config)
    }
    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        P::prepare(&self.host, &self.config, target, mode)
    }
    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        P::open(&self.host, &self.config, target)
    }
    fn finish(&mut self) -> Result<()> {
        P::finish(&self.host, &self.config)
    }
}

/// What a store promises beyond the contract, so that only this is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// A finished destination can be prepared, read and written again by a new instance.
    pub reopens: bool,
    /// Named, further and sparse vectors come back as they were written.
    pub every_column: bool,
    /// Records may lack a vector, and collections a dimension.
    pub without_vectors: bool,
    /// The largest dimension it takes.
    pub max_dimension: u32,
}

/// Makes an instance of the sink over the destination called by the name. A name that was not used before is an
/// empty destination; one that was is the destination as it was left.
pub type Connect<'a> = &'a dyn Fn(&str) -> Box<dyn SinkUnderTest>;

/// One failed case: its name, and what was seen.
pub type Failure = (&'static str, String);

/// Runs every case that `promises` allows. Returns how many ran, and what failed.
pub fn run(promises: Promises, connect: Connect<'_>) -> (usize, Vec<Failure>) {
    let cases = || CASES.iter().filter(|case| (case.applies)(&promises));
    let failed = |case: &super::sink_cases::Case| {
        let connect = || connect(&case.name.replace(' ', "-"));
        (case.run)(&promises, &connect).err().map(|seen| (case.name, seen.to_string()))
    };
    (cases().count(), cases().filter_map(failed).collect())
}

#[cfg(test)]
mod tests;
