//! The native interceptors, one file each.

use flume_core::Interceptor;

components! {
    Box<dyn Interceptor>:
}
