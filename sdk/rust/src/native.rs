/*! The native half of the SDK. */
