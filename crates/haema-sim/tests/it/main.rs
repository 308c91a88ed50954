//! Through the crate's public interface.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod head;
