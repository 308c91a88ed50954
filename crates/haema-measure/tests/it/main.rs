//! Through the crate's public interface, against closed forms.

#[cfg(test)]
mod abc2;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod doubts;
#[cfg(test)]
mod expansion;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod midline;
#[cfg(test)]
mod places;
