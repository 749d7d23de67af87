/*! A guest that ended instead of answering, as an error of the contract. */

use vecferry_contract::Error;
use wasmtime::Trap;

use crate::limits::{Deadline, MAX_TRANSFER_BYTES};
use crate::state::State;

/// The runtime's words for more data than `Store::set_hostcall_fuel` allows; it has no public type for it.
const TRANSFER: &str = "fuel allocated for hostcalls has been exhausted";

/// What happened, without who and where.
pub(crate) fn fault(error: &wasmtime::Error, state: &State) -> Error {
    let the_plugins = "this is a fault of the plugin; its author will want to know this message and the input";
    if let Some(deadline) = error.downcast_ref::<Deadline>() {
        return Error::internal("plugin/deadline", format!("{deadline} and was stopped"))
            .hint("a very large store can take so long: --plugin-seconds N raises the limit; otherwise store or plugin are at fault");
    }
    if let Some(message) = &state.last_words {
        return Error::internal("plugin/trap", format!("panicked: {message}")).hint(the_plugins);
    }
    if let Some(cap) = state.budget.refused() {
        return Error::internal("plugin/memory", format!("needed more memory than the {} MiB it may use", cap >> 20))
            .hint("a very large store can need so much: --plugin-memory MIB raises the limit; otherwise store or plugin are at fault");
    }
    if error.root_cause().to_string().contains(TRANSFER) {
        let message = format!("moved more than {} MiB to the host in one call", MAX_TRANSFER_BYTES >> 20);
        return Error::internal("plugin/memory", message).hint(the_plugins);
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "ran out of call stack: its functions called each other too deeply".to_owned(),
        Some(Trap::UnreachableCodeReached) => "gave up (reached `unreachable`) without saying why".to_owned(),
        Some(Trap::MemoryOutOfBounds) => "reached outside its memory; it may have run out of stack".to_owned(),
        Some(trap) => format!("trapped: {trap}"),
        // An answer that is none: text that is no UTF-8, a handle of nobody's.
        None => format!("broke the rules of the border: {}", error.root_cause()),
    };
    Error::internal("plugin/trap", what).hint(the_plugins)
}
