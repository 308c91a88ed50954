//! Through the crate's public interface.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod case;
#[cfg(test)]
mod head;
#[cfg(test)]
mod label_maps;
#[cfg(test)]
mod phantoms;
#[cfg(test)]
mod raters;
