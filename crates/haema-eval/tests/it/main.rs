//! Through the crate's public interface.

#[cfg(test)]
mod edges;
#[cfg(test)]
mod geometry;
#[cfg(test)]
mod goldens;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod specification;
#[cfg(test)]
mod statistics;
