/*!
What an instance keeps from one call for the next.

A store is described, planned and scanned in calls of their own, and each of them may need it read first. An instance
of a WebAssembly plugin lives on between its calls; it may keep what it read. (A native library serves many instances
and keeps nothing: there every call reads anew.)
*/

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use crate::{Host, Result};

/// The one value that is kept, under its key.
pub(crate) type Kept = Rc<RefCell<Option<(String, Rc<dyn Any>)>>>;

impl Host {
    /// The value that an earlier call of this instance kept under `key`, or the one that `make` makes, which is kept
    /// from now on. One value is kept at a time: another one is dropped before `make` runs, so that there is memory for
    /// one.
    ///
    /// The key must name all that the value depends on; what the store's files held when it was made is the rest.
    ///
    /// # Errors
    /// Those of `make`; then nothing is kept.
    pub fn keep<T: 'static>(&self, key: &str, make: impl FnOnce() -> Result<T>) -> Result<Rc<T>> {
        let kept = self.kept().borrow_mut().take().filter(|(kept, _)| kept == key);
        let value = match kept.map(|(_, value)| value.downcast::<T>()) {
            Some(Ok(value)) => value,
            _ => Rc::new(make()?),
        };
        *self.kept().borrow_mut() = Some((key.to_owned(), Rc::clone(&value) as Rc<dyn Any>));
        Ok(value)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
