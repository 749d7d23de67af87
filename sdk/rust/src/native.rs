/*! The native half of the SDK. */

/// The native half of [`export!`](crate::export).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    ($($roles:tt)+) => {};
}
