//! Through the crate's public interface, against closed forms.

#[cfg(test)]
mod abc2;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod places;
