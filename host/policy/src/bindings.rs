//! The bindings that wasmtime generates from the contract; nothing else generates any.
//!
//! There is one world with all that a policy may export. Which of it a policy has is found by
//! inspection ([`crate::artifact`]), since a world has no optional exports.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package flume:host;
            world everything {
                import flume:policy/log@0.1.0;
                export flume:policy/sink-selector@0.1.0;
                export flume:policy/batch-router@0.1.0;
                export flume:policy/interceptor@0.1.0;
                export flume:policy/state@0.1.0;
            }
        ",
        world: "flume:host/everything",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::exports::flume::policy::{
    batch_router, interceptor, sink_selector, state,
};
pub(crate) use generated::flume::policy::{log, types};
