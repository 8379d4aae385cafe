//! Policies in the host: one binary, so that the engine is linked once.
//!
//! Guests in Rust are built from `guests/` at the first call; guests for one violation each are
//! text modules of a few lines.

#[cfg(test)]
mod cache;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod dist;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod inspection;
#[cfg(test)]
mod interceptors;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod life;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod slow_start;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod vacant;
#[cfg(test)]
mod violations;
