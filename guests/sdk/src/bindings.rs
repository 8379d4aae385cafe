//! The bindings that `wit-bindgen` makes from the contract.
//!
//! One world with everything that a policy may export, so that there is one set of types. The
//! export macros use only the parts that a policy has, and the host detects which ones.

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod generated {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package flume:sdk;
            world everything {
                import flume:policy/log@0.1.0;
                export flume:policy/sink-selector@0.1.0;
                export flume:policy/batch-router@0.1.0;
                export flume:policy/interceptor@0.1.0;
                export flume:policy/state@0.1.0;
            }
        ",
        world: "flume:sdk/everything",
        pub_export_macro: true,
        generate_all,
        additional_derives: [PartialEq, Clone],
    });
}

pub use generated::exports::flume::policy::{batch_router, interceptor, sink_selector, state};
pub use generated::flume::policy::log::Level;
pub use generated::flume::policy::types;

/// Logs a line; natively, where there is no host, to standard error.
pub(crate) fn log(level: Level, message: &str) {
    if cfg!(target_arch = "wasm32") {
        generated::flume::policy::log::write(level, message);
    } else {
        eprintln!("{level:?}: {message}");
    }
}
