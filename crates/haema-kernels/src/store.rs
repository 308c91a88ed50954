//! How kernels leave their results.

use crate::element::Element;
use crate::isa::Isa;
use crate::layout::{ChannelBlock, ChannelStats, LANES, Write};

/// Leaves `value` in `place`.
#[inline(always)]
pub(crate) fn store<I: Isa, E: Element>(isa: I, write: Write, value: I::V, place: &mut E) {
    let value = match write {
        Write::Set => value,
        Write::Add => isa.add(place.load(isa), value),
        Write::Stream => return place.stream(isa, value),
    };
    place.store(isa, value);
}

/// Adds the `f32` sums of a row to the `f64` sums of a plane.
#[inline(always)]
pub(crate) fn add_row<I: Isa>(isa: I, stats: &mut ChannelStats, [sum, squares]: [I::V; 2]) {
    let mut lanes = [ChannelBlock::default(); 2];
    isa.store(sum, &mut lanes[0]);
    isa.store(squares, &mut lanes[1]);
    for lane in 0..LANES {
        stats.sum[lane] += f64::from(lanes[0].0[lane]);
        stats.sum_of_squares[lane] += f64::from(lanes[1].0[lane]);
    }
}
