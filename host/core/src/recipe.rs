//! Recipes: what a component is made from, again and again.
//!
//! `configure` reads the keys of a component once and returns a recipe. A recipe is a value: it can
//! be kept, compared with the recipe of a later reading of the file, and made into a component as
//! often as needed. Laws: making a component cannot fail, and touches no socket and no file; equal
//! recipes make components that do the same.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Equality of values whose types are unknown. Values of different types are not equal.
pub trait DynEq: Any {
    /// Whether the other is of the same type, and equal.
    fn dyn_eq(&self, other: &dyn Any) -> bool;
}

impl<S: PartialEq + Any> DynEq for S {
    fn dyn_eq(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<S>() == Some(self)
    }
}

/// The settings of a component, with the function that makes it from them.
///
/// ```
/// use std::fmt::Display;
/// use flume_core::Recipe;
///
/// let recipe = |number: u16| Recipe::<dyn Display>::new(number, |number| Box::new(*number));
/// assert_eq!(recipe(1).make().to_string(), "1");
/// assert_eq!(recipe(1), recipe(1));
/// assert_ne!(recipe(1), recipe(2));
/// ```
pub struct Recipe<T: ?Sized + 'static>(Arc<dyn Make<T>>);

impl<T: ?Sized + 'static> Recipe<T> {
    /// A recipe of these settings. What `make` captures besides them (the clock, the resolver) is
    /// not compared: it is the same for the whole process.
    pub fn new<S, M>(settings: S, make: M) -> Self
    where
        S: PartialEq + fmt::Debug + Send + Sync + 'static,
        M: Fn(&S) -> Box<T> + Send + Sync + 'static,
    {
        Self(Arc::new(Made { settings, make }))
    }

    /// A new component.
    pub fn make(&self) -> Box<T> {
        self.0.make()
    }
}

impl<T: ?Sized + 'static> Clone for Recipe<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + 'static> PartialEq for Recipe<T> {
    fn eq(&self, other: &Self) -> bool {
        let theirs: &dyn Any = other.0.settings();
        self.0.settings().dyn_eq(theirs)
    }
}

impl<T: ?Sized + 'static> fmt::Debug for Recipe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The settings of any type.
trait Make<T: ?Sized>: fmt::Debug + Send + Sync {
    fn make(&self) -> Box<T>;

    fn settings(&self) -> &dyn DynEq;
}

struct Made<S, M> {
    settings: S,
    make: M,
}

impl<S: fmt::Debug, M> fmt::Debug for Made<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl<T, S, M> Make<T> for Made<S, M>
where
    T: ?Sized,
    S: PartialEq + fmt::Debug + Send + Sync + 'static,
    M: Fn(&S) -> Box<T> + Send + Sync,
{
    fn make(&self) -> Box<T> {
        (self.make)(&self.settings)
    }

    fn settings(&self) -> &dyn DynEq {
        &self.settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Named {
        fn name(&self) -> String;
    }

    #[derive(Debug, Clone, PartialEq)]
    struct One(&'static str);
    #[derive(Debug, Clone, PartialEq)]
    struct Other(&'static str);

    impl Named for One {
        fn name(&self) -> String {
            format!("one {}", self.0)
        }
    }
    impl Named for Other {
        fn name(&self) -> String {
            format!("other {}", self.0)
        }
    }

    #[test]
    fn recipes_are_equal_by_type_and_settings() {
        let one = |name| Recipe::<dyn Named>::new(One(name), |it| Box::new(it.clone()));
        let other = |name| Recipe::<dyn Named>::new(Other(name), |it| Box::new(it.clone()));
        assert_eq!(one("a").clone(), one("a"));
        assert_ne!(one("a"), one("b"));
        assert_ne!(one("a"), other("a"));
        assert_eq!(other("a").make().name(), "other a");
        assert_eq!(format!("{:?}", one("a")), r#"One("a")"#);
    }
}
