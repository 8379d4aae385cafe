//! The component tables: visible source, one line a type.

use flume_core::Context;

use crate::services::Services;

/// One entry of a table: how a type is named in files, and how it is made.
#[derive(Debug)]
pub struct Component<T> {
    /// The name to write, then other names that Flume accepts (class names).
    pub names: &'static [&'static str],
    /// Reads the component's keys and makes it, without touching a socket or a file. `None` leaves
    /// at least one error in the context.
    pub configure: fn(&mut Context, &Services) -> Option<T>,
}

impl<T> Component<T> {
    /// Whether this is what a file calls `name`. Names are not case-sensitive, as in Flume.
    pub fn is_called(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Declares the modules of a room and its table: `"type" | "other.Name" => module,`. What not every
/// build has stands behind its `#[cfg(…)]`.
macro_rules! components {
    ($made:ty: $($(#[$when:meta])* $($name:literal)|+ => $module:ident,)*) => {
        $($(#[$when])* pub mod $module;)*

        /// The types of this room.
        pub static COMPONENTS: &[$crate::component::Component<$made>] = &[
            $($(#[$when])* $crate::component::Component {
                names: &[$($name),+],
                configure: $module::configure,
            },)*
        ];
    };
}

/// The entry for a type, by any of its names.
pub fn find<T>(table: &'static [Component<T>], name: &str) -> Option<&'static Component<T>> {
    table.iter().find(|component| component.is_called(name))
}
