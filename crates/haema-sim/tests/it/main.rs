//! Through the crate's public interface.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod head;
#[cfg(test)]
mod phantoms;
#[cfg(test)]
mod raters;
