//! The export macros: one line in a policy's crate.

/// Exports a type as the sink selector of this policy.
///
/// `export_selector!(T)` for a [`SinkSelector`](crate::SinkSelector); `export_selector!(T, state)`
/// if it is also [`State`](crate::State), `export_selector!(T, router)` if it is also a
/// [`BatchRouter`](crate::BatchRouter), `export_selector!(T, router, state)` if it is all three.
#[macro_export]
macro_rules! export_selector {
    ($policy:ty $(, $optional:ident)*) => {
        // A native linker cannot use these export names.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::{sink_selector, types};

            ::std::thread_local! {
                static SEAT: $crate::SelectorSeat<$policy> =
                    const { $crate::SelectorSeat::empty() };
            }

            struct Export;

            impl sink_selector::Guest for Export {
                fn configure(
                    setup: sink_selector::Setup,
                ) -> ::std::result::Result<
                    sink_selector::Needs,
                    ::std::vec::Vec<types::ConfigError>,
                > {
                    SEAT.with(|seat| seat.configure(setup))
                }

                fn order(
                    at: types::Moment,
                    feedback: ::std::vec::Vec<sink_selector::Feedback>,
                    load: sink_selector::Load,
                ) -> ::std::vec::Vec<u32> {
                    SEAT.with(|seat| seat.order(at, &feedback, load))
                }
            }

            $crate::__export_flume_policy_sink_selector_0_1_0_cabi!(
                Export with_types_in $crate::bindings::sink_selector
            );
            $($crate::__export_optional!($optional);)*
        };
    };
}

/// Exports a type as the interceptor of this policy.
///
/// `export_interceptor!(T)` for an [`Interceptor`](crate::Interceptor);
/// `export_interceptor!(T, state)` if it is also [`State`](crate::State).
#[macro_export]
macro_rules! export_interceptor {
    ($policy:ty $(, $optional:ident)*) => {
        // A native linker cannot use these export names.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::{interceptor, types};

            ::std::thread_local! {
                static SEAT: $crate::InterceptorSeat<$policy> =
                    const { $crate::InterceptorSeat::empty() };
            }

            struct Export;

            impl interceptor::Guest for Export {
                fn configure(
                    setup: interceptor::Setup,
                ) -> ::std::result::Result<
                    interceptor::Projection,
                    ::std::vec::Vec<types::ConfigError>,
                > {
                    SEAT.with(|seat| seat.configure(setup))
                }

                fn intercept(
                    at: types::Moment,
                    batch: interceptor::Batch,
                ) -> interceptor::Edits {
                    SEAT.with(|seat| seat.intercept(at, batch))
                }
            }

            $crate::__export_flume_policy_interceptor_0_1_0_cabi!(
                Export with_types_in $crate::bindings::interceptor
            );
            $($crate::__export_optional!($optional);)*
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_optional {
    (state) => {
        impl $crate::bindings::state::Guest for Export {
            fn export_state() -> $crate::bindings::state::Snapshot {
                SEAT.with(|seat| seat.export())
            }

            fn import_state(
                snapshot: $crate::bindings::state::Snapshot,
            ) -> ::std::result::Result<(), ::std::string::String> {
                SEAT.with(|seat| seat.import(&snapshot))
            }
        }

        $crate::__export_flume_policy_state_0_1_0_cabi!(
            Export with_types_in $crate::bindings::state
        );
    };
    (router) => {
        impl $crate::bindings::batch_router::Guest for Export {
            fn route(
                at: types::Moment,
                feedback: ::std::vec::Vec<sink_selector::Feedback>,
                load: sink_selector::Load,
            ) -> ::std::vec::Vec<u32> {
                SEAT.with(|seat| seat.route(at, &feedback, load))
            }
        }

        $crate::__export_flume_policy_batch_router_0_1_0_cabi!(
            Export with_types_in $crate::bindings::batch_router
        );
    };
}
